"""Is dropping weights better than dropping units?

Claim: DropConnect, which drops single weights of a dense layer, generalises better than dropout of
the units that feed it (Wan et al. 2013).

Arms: none, and 0.3 and 0.5 on what enters the second and the third dense layer: its units, or its
kernel. The weights are drawn once a batch, as one draw an example would take a kernel for each.

Takes about a minute on two cores, 5 minutes with --until-decided.

Came out (128 seeds): refuted. Dropping weights is 0.19 ± 0.16 points worse than dropping units at
0.5; at 0.3 there is no difference that matters (-0.16 ± 0.12).
"""

from experiments.studies.design import Case, Design, accuracy, at, images, more, perceptron
from experiments.studies.settings import Settings

CLAIM = "dropping weights is better than dropping units"
DEFAULTS = Settings(epochs=100, seeds=32, most_seeds=128)
RATES = (0.3, 0.5)


def design(settings: Settings) -> Design:
    """A case for units and one for weights."""
    data = images(settings)
    cases = {
        "units": Case(perceptron(data), data, at(RATES, "post1", "post2")),
        "weights": Case(perceptron(data, kind="weights"), data, at(RATES, "weights2", "weights3")),
    }
    contrasts = [
        more(f"weights over units at {rate}", accuracy("weights", rate), accuracy("units", rate))
        for rate in map(str, RATES)
    ]
    return Design(cases, contrasts)
