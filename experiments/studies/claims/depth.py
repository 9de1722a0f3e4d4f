"""Should the rate grow with depth?

Claim: at the same mean rate, rates that grow with depth (linear, or in two steps) generalise better
than a constant one, and than rates that fall.

Arms: mean 0.3 behind each of four hidden layers of 128 units, and mean 0.2 behind the three
convolutions of a network with 16, 32 and 48 maps. There the linear one is the adaptive rate
min(0.5, 0.1 + 0.1·i) at layer i.

Takes about 2 minutes on two cores, 4 with --until-decided.

Came out (16 seeds): open in all parts. Growing rates against a constant one -0.03 ± 0.45 points in
dense layers and +0.19 ± 0.35 in convolutions, steps +0.13 ± 0.49 and +0.11 ± 0.43, growing against
falling +0.17 ± 0.63 and +0.16 ± 0.40; some 40 to 290 seeds would decide them, but for steps in
dense layers, where test images are short.
"""

import numpy as np

from experiments.models import Convolutional
from experiments.studies.design import Arm, Case, Design, images, over, perceptron, shape
from experiments.studies.settings import Settings
from jaxdrop import rates

CLAIM = "rates should grow with depth"
DEFAULTS = Settings(train_size=300, epochs=40, most_seeds=16)
CLAIMED = (("linear", "constant"), ("stepwise", "constant"), ("linear", "falling"))


def design(settings: Settings) -> Design:
    """A case of dense layers and one of convolutions."""
    data = images(settings)
    convolutional = Convolutional(shape(data), data.classes, (16, 32, 48))
    dense, maps = rates.linear_depth(4, 0.48), rates.stepwise_depth(3, 0.1, 0.1, 0.5)
    cases = {
        "dense": Case(perceptron(data, (128,) * 4), data, _arms("post{}", np.asarray(dense))),
        "convolutions": Case(convolutional, data, _arms("conv{}.spatial", np.asarray(maps))),
    }
    contrasts = [
        over(case, grows, other, f"{case}: {grows} over {other}")
        for case in cases
        for grows, other in CLAIMED
    ]
    return Design(cases, contrasts)


def _arms(site: str, growing: np.ndarray) -> dict[str, Arm]:
    mean, half = growing.mean(), len(growing) / 2
    steps = np.where(np.arange(len(growing)) < half, 0.5, 1.0)
    schedules = {
        "constant": np.full_like(growing, mean),
        "linear": growing,
        "stepwise": steps * mean / steps.mean(),
        "falling": growing[::-1],
    }
    return {"none": Arm()} | {
        name: Arm({site.format(layer): float(rate) for layer, rate in enumerate(row, 1)})
        for name, row in schedules.items()
    }
