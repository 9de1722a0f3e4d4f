"""Does dropout do most at the beginning, or at the end?

Claim: early dropout helps a network that underfits to fit better, and late dropout helps one that
overfits to generalise better (Liu et al. 2023).

Arms: none; dropout on the hidden layers all the time, in the first sixth alone, and from there on
alone, as the paper's 50 of 300 epochs. A network of 4 and 4 units underfits (rate 0.1); one of 256
and 128 overfits (rate 0.5). (Before, 60 epochs of two halves, and 8 and 8 units: too few steps for
early dropout to be made up for, and too many units to underfit.)

Takes about 2 minutes on two cores, 3 with --until-decided.

Came out (64 seeds, from seed 1): open for its first half. In the small network early dropout leaves
a training loss that is 0.03 ± 0.08 nats below that of none; 430 seeds would decide it. In the large
one late dropout gains 0.55 ± 0.34 points on none: supported. (Before: refuted, early dropout cost
0.13 ± 0.05 nats; late dropout gained 0.28 ± 0.11 points.)
"""

from experiments.studies.design import Arm, Case, Design, images, over, perceptron
from experiments.studies.settings import Settings

CLAIM = "early dropout helps networks that underfit, late dropout those that overfit"
DEFAULTS = Settings(epochs=180, seeds=32, seed=1, most_seeds=64)
SIXTH = 1 / 6
MARGIN = 0.02  # nats


def design(settings: Settings) -> Design:
    """A small network and a large one."""
    data, loss = images(settings), "small: training loss of none over early"
    cases = {
        "small": Case(perceptron(data, (4, 4)), data, _arms(0.1)),
        "large": Case(perceptron(data, (256, 128)), data, _arms(0.5)),
    }
    contrasts = [
        over("small", "none", "early", loss, "train NLL", margin=MARGIN),
        over("large", "late", "none", "large: late over none"),
    ]
    return Design(cases, contrasts)


def _arms(rate: float) -> dict[str, Arm]:
    rates = {"post*": rate}
    return {
        "none": Arm(),
        "standard": Arm(rates),
        "early": Arm(rates, {"end": SIXTH}),
        "late": Arm(rates, {"begin": SIXTH}),
    }
