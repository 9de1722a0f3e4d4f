"""Does dropout slow training?

Claim: with dropout it takes more epochs to fit the training images equally well.

Arms: none, 0.1, 0.3 and 0.5 on the hidden layers, at a constant learning rate. Counted are the
epochs until the training loss, without dropout, is 0.1 for the first time; an arm that never gets
there counts one more than there were.

Takes under a minute on two cores.

Came out (8 seeds): supported. To a training loss of 0.1, measured without dropout, the network
takes 1.4 ± 0.7 epochs more at 0.1, 5.4 ± 1.0 at 0.3 and 14.0 ± 1.5 at 0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.studies.design import Arm, Case, Design, Measured, images, over, perceptron
from experiments.studies.settings import Settings

CLAIM = "dropout slows training"
TARGET = 0.1
EPOCHS = f"epochs to {TARGET:g}"
RATES = (0.1, 0.3, 0.5)
MEASURED = (
    f"«{EPOCHS}»: how many until the training loss, without dropout, is {TARGET:g} for the first "
    "time; one more than there were where it never is."
)


@dataclass(frozen=True)
class Constant(Settings):
    """Settings of training whose learning rate stays as it is."""

    margin: float = 0.5
    """The smallest difference that matters, in epochs."""
    learning_rate: float = 1e-3
    """Learning rate, the same in every step."""


DEFAULTS = Constant(epochs=60, most_seeds=32)


def design(settings: Settings) -> Design:
    """One network, measured after every epoch."""
    data, constant = images(settings), {"decay": 0.0}
    arms = {"none": Arm(numbers=constant)}
    arms |= {str(rate): Arm({"post*": rate}, constant) for rate in RATES}
    words = {str(rate): f"epochs at {rate} over none" for rate in RATES}
    contrasts = [over("mlp", rate, "none", said, EPOCHS) for rate, said in words.items()]
    plan = {"blocks": settings.epochs}
    return Design({"mlp": Case(perceptron(data), data, arms, plan, _epochs)}, contrasts)


def _epochs(ends: Sequence[int], history: Sequence[Measured]) -> Measured:
    """After how many epochs the target was met, for each seed and arm."""
    met = np.stack([table["train NLL"] for table in history]) <= TARGET
    first = np.array(ends)[met.argmax(0)]
    return {EPOCHS: np.where(met.any(0), first, ends[-1] + 1)}
