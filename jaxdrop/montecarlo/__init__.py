"""Monte-Carlo dropout: predictions with dropout on, what they say together, how good that is."""

# ruff: noqa: I001 - grouped by purpose, not by name

# Sampling; jaxdrop.nnx.predict and jaxdrop.linen.predict make a model a function of a key.
from jaxdrop.montecarlo.sampling import sample as sample  # of a function of a key
from jaxdrop.montecarlo.streaming import Moments as Moments
from jaxdrop.montecarlo.streaming import moments as moments  # mean and variance, constant memory

# What the samples say together.
from jaxdrop.montecarlo.uncertainty import Classification as Classification
from jaxdrop.montecarlo.uncertainty import Regression as Regression
from jaxdrop.montecarlo.uncertainty import classification as classification  # entropies
from jaxdrop.montecarlo.uncertainty import regression as regression  # variances, likelihood

# How good probabilities are.
from jaxdrop.montecarlo.calibration import Reliability as Reliability
from jaxdrop.montecarlo.calibration import accuracy as accuracy
from jaxdrop.montecarlo.calibration import brier as brier
from jaxdrop.montecarlo.calibration import ece as ece  # expected calibration error
from jaxdrop.montecarlo.calibration import nll as nll  # negative log-likelihood
from jaxdrop.montecarlo.calibration import reliability as reliability  # the diagram's data

# How well uncertainty ranks.
from jaxdrop.montecarlo.ranking import Rejection as Rejection
from jaxdrop.montecarlo.ranking import auroc as auroc  # of any score
from jaxdrop.montecarlo.ranking import misclassification_auroc as misclassification_auroc
from jaxdrop.montecarlo.ranking import ood_auroc as ood_auroc  # out of distribution
from jaxdrop.montecarlo.ranking import rejection as rejection  # accuracy of what is kept
