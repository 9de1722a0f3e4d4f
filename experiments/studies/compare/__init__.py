"""Where dropout stands: every placement at every rate. `compare` does it for a model of yours."""

from experiments.studies.compare.run import compare as compare
