"""What a comparison is asked to do: frozen dataclasses that check themselves.

The default protocol is one where dropout can show an effect in either direction. 500 of the 1,797
images are few enough for a 64-256-128-10 network to learn by heart: without dropout it fits them
all after some 15 of the 100 epochs and tests 3 points lower, so there is something to prevent. And
100 epochs are enough for rates up to 0.7 on the hidden layers to fit nearly all of them too, so a
high rate is not judged by its slowness. With 1,000 images and 30 epochs every rate only did harm.
"""

import math
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from experiments.errors import expect
from experiments.models import Activation
from experiments.runs.checkpoints import CHECKPOINT_EVERY, check_seconds
from experiments.studies.design import Protocol

Placement = Literal[
    "none",
    "input",
    "first-hidden",
    "last-hidden",
    "before-activation",
    "after-activation",
    "input-and-hidden",
    "logits",
]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)


@dataclass(frozen=True)
class Data:
    """Data set."""

    dataset: str = "digits"
    """digits (shipped with scikit-learn), mnist or fashion_mnist (from OpenML), or the path of an
    .npz file that holds x_train, y_train, x_test and y_test."""
    train_size: int = 500
    """Training images: a fixed choice, stratified by class. Small on purpose: with many images a
    network hardly overfits, and dropout has nothing to prevent."""
    test_size: int = 2000
    """Test images at most: a fixed choice too. All that are left, where they are fewer."""

    def __post_init__(self) -> None:
        """Checks the sizes; whether the data set has as many is checked on loading."""
        _expect_positive("--train-size", self.train_size)
        _expect_positive("--test-size", self.test_size)


@dataclass(frozen=True)
class Network:
    """Network."""

    widths: tuple[int, ...] = (256, 128)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Activation of the hidden layers."""

    def __post_init__(self) -> None:
        """Checks the widths."""
        expect(
            len(self.widths) > 0,
            "at least one hidden layer in --widths",
            "nothing",
            "Try --widths 256 128.",
        )
        for width in self.widths:
            _expect_positive("--widths", width)


@dataclass(frozen=True)
class Training:
    """Training: adamw, the learning rate falling to 0 along a half cosine."""

    epochs: int = 100
    """Passes over the training images."""
    batch_size: int = 50
    """Images in a step; what is left at the end of an epoch is shuffled into the next."""
    learning_rate: float = 3e-3
    """Learning rate of the first step."""
    weight_decay: float = 1e-4
    """Weight decay, applied apart from the gradient."""

    def __post_init__(self) -> None:
        """Checks the numbers."""
        _expect_positive("--epochs", self.epochs)
        _expect_positive("--batch-size", self.batch_size)
        rate, decay = self.learning_rate, self.weight_decay
        expect(0 < rate < math.inf, "a --learning-rate above 0", rate, "Try 0.003.")
        expect(0 <= decay < math.inf, "a --weight-decay of 0 or more", decay, "0 turns it off.")


@dataclass(frozen=True)
class Arms:
    """What is compared."""

    placements: tuple[Placement, ...] = PLACEMENTS
    """Where to drop; `none` is always trained too, once."""
    rates: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    """Probabilities to drop, each for every placement."""
    seeds: int = 8
    """Repetitions. The arms of one seed share initial weights, batches and masks."""
    seed: int = 0
    """Where all randomness comes from."""

    def __post_init__(self) -> None:
        """Checks the rates and the seeds."""
        dropping = [placement for placement in self.placements if placement != "none"]
        expect(len(dropping) > 0, "a placement in --placements besides none", self.placements)
        expect(len(self.rates) > 0, "at least one rate in --rates", "nothing", "Try --rates 0.5.")
        for rate in self.rates:
            expect(
                0 <= rate <= 1,
                "--rates in [0, 1]",
                rate,
                "A rate is the probability to drop: to keep nine in ten, pass 0.1.",
            )
        _expect_positive("--seeds", self.seeds)
        expect(0 <= self.seed < 2**32, "a --seed from 0 to 2**32 - 1", self.seed)


@dataclass(frozen=True)
class Folder:
    """Where the results go."""

    output: Path | None = None
    """Folder of the run; by default runs/compare-DATASET-ACTIVATION."""
    overwrite: bool = False
    """Replace the run that the folder holds."""
    chunk: int | None = None
    """Networks trained at once, which bounds the memory; by default chosen by an estimate."""
    checkpoint_every: float = CHECKPOINT_EVERY
    """Seconds between checkpoints, from which `resume` goes on; they are written meanwhile."""

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_seconds(self.checkpoint_every)
        expect(self.chunk is None or self.chunk >= 1, "--chunk of 1 or more", self.chunk)


@dataclass(frozen=True)
class Compare:
    """Trains one network for every placement, rate and seed, all in one compiled program."""

    arms: Arms = field(default_factory=Arms)
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        """Checks what takes two settings to see."""
        batch, images = self.training.batch_size, self.data.train_size
        expect(
            batch <= images,
            f"a --batch-size of at most the {images} training images",
            batch,
            "Make it smaller, or raise --train-size.",
        )

    @property
    def protocol(self) -> Protocol:
        """What is common to all that is trained."""
        training, arms = self.training, self.arms
        numbers = (training.epochs, training.batch_size, training.learning_rate)
        return Protocol(*numbers, arms.seeds, arms.seed)


def command(config: Compare) -> str:
    """What reproduces the run: every setting that is not the default."""
    default, words = asdict(Compare()), ["python", "-m", "experiments", "compare"]
    for group, settings in asdict(config).items():
        for name, value in settings.items():
            if value != default[group][name]:
                words += [f"--{name.replace('_', '-')}", *_words(value)]
    return shlex.join(words)


def _words(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _expect_positive(flag: str, value: int) -> None:
    expect(value >= 1, f"{flag} of 1 or more", value)
