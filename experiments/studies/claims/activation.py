"""Does dropout belong after the activation?

Claim: placed after the activation it generalises better than before. Often said of every network,
with the reason that dropout before it distorts what the activation sees.

Arms: none, before and after each hidden activation at 0.5; ReLU, tanh, GELU, sigmoid and SELU. Arms
share masks, so before and after differ by the activation alone.

Takes about 3 minutes on two cores, 10 to 20 with --until-decided.

Came out (64 seeds, digits and mnist5k): refuted. With ReLU the two are the same, to the last bit;
with GELU there is no difference on mnist5k (+0.05 ± 0.23 points). After is worse with tanh (-0.41 ±
0.20) and SELU (-0.57 ± 0.21) on mnist5k, and better with sigmoid (+0.94 ± 0.38). On the digits all
but ReLU stay open.
"""

from experiments.models import ACTIVATIONS
from experiments.studies.design import Arm, Case, Design, images, over, perceptron
from experiments.studies.settings import BOTH, Settings

CLAIM = "dropout belongs after the activation"
DEFAULTS = Settings(dataset=BOTH, epochs=100, seeds=16)
ARMS = {"none": Arm(), "before": Arm({"pre*": 0.5}), "after": Arm({"post*": 0.5})}


def design(settings: Settings) -> Design:
    """A case for each activation."""
    data = images(settings)
    names = list(ACTIVATIONS)[: 2 if settings.smoke else None]
    cases = {name: Case(perceptron(data, activation=name), data, ARMS) for name in names}
    return Design(cases, [over(it, "after", "before", f"{it}: after over before") for it in cases])
