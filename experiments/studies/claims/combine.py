"""Does dropout still help where other regularisers are at work?

Claim: it adds to weight decay, early stopping, a schedule and augmentation, to each and to all.

Arms: all 32 combinations of dropout 0.5 on the hidden layers, weight decay 0.1 (else 0), early
stopping (patience 15 on a fifth of the training images, which all arms give up), a schedule
(warm-up over a tenth, then a half cosine; else constant), and augmentation (images moved by up to a
pixel).

Takes about 2 minutes on two cores, 5 with --until-decided.

Came out (32 seeds): open. Alone dropout gains 0.58 ± 0.51 points; beside any other means the gain
is open: weight decay -0.12 ± 0.40, early stopping +0.09 ± 0.47, a schedule -0.15 ± 0.53,
augmentation -0.54 ± 0.70, all of them -0.90 ± 1.15. On average it is -0.03 ± 0.40, which twice the
test images would decide.
"""

import itertools
from dataclasses import dataclass

from experiments.studies.design import Arm, Case, Contrast, Design, images, pair, perceptron, shape
from experiments.studies.settings import Settings

CLAIM = "dropout adds to weight decay, early stopping, a schedule and augmentation"
OTHERS = {
    "decay": {"weight_decay": 0.1},
    "stopping": {"patience": 15.0},
    "schedule": {"decay": 1.0, "warmup": 0.1},
    "augmentation": {"shift": 1.0},
}


@dataclass(frozen=True)
class Scheduled(Settings):
    """Settings of training whose learning rate falls in some arms."""

    learning_rate: float = 3e-3
    """Learning rate; with a schedule its highest."""

    @property
    def trained(self) -> int:
        """Without the fifth that early stopping looks at."""
        return self.train_size - self.train_size // 5


DEFAULTS = Scheduled(epochs=150, most_seeds=32)


def design(settings: Settings) -> Design:
    """One network."""
    data = images(settings)
    every = itertools.product((False, True), repeat=len(OTHERS))
    chosen = [tuple(itertools.compress(OTHERS, bits)) for bits in every]
    arms = {_name(names, rate): _arm(names, rate) for names in chosen for rate in (0.0, 0.5)}
    parts = {name: [names for names in chosen if name in names] for name in OTHERS}
    parts = {"alone": [()], **parts, "all": [tuple(OTHERS)], "on average": chosen}
    contrasts = [_gain(f"dropout's gain, {part}", within) for part, within in parts.items()]
    plan = {"held_out": settings.size_of(data) // 5, "image": shape(data)}
    return Design({"mlp": Case(perceptron(data), data, arms, plan)}, contrasts)


def _name(names: tuple[str, ...], rate: float) -> str:
    return " + ".join(names + ("dropout",) * (rate > 0)) or "none"


def _arm(names: tuple[str, ...], rate: float) -> Arm:
    numbers = {"weight_decay": 0.0, "decay": 0.0}
    for name in names:
        numbers |= OTHERS[name]
    return Arm({"post*": rate}, numbers)


def _gain(words: str, within: list[tuple[str, ...]]) -> Contrast:
    """The mean of what dropout adds to these sets of others."""
    each = [pair("mlp", _name(names, 0.5), _name(names, 0.0)) for names in within]
    with_dropout = {one: 1 / len(within) for one, _ in each}
    without = {other: -1 / len(within) for _, other in each}
    return Contrast(words, with_dropout | without)
