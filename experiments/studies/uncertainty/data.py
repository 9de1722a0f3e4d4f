"""What is asked for, and the digits: of known classes, corrupted ones, and of unseen classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import numpy as np
from jaxtyping import Float32, Int32
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from experiments.errors import expect
from experiments.studies.settings import Common, expect_least

MOST = 10_000
SIDE = 8
SPLIT_SEED = 0  # the split and the corruptions belong to the protocol, not to what is repeated
NOISE = 0.4  # standard deviation, where a pixel lies in [0, 1]


@dataclass(frozen=True)
class Uncertainty(Common):
    """Calibration and detection on the digits: MC dropout, dropout off, and a deep ensemble."""

    seeds: int = 8
    """Repetitions: each trains its own ensemble, the first member of which is sampled too."""
    members: int = 16
    """Networks in an ensemble."""
    samples: int = 512
    """Masks for each network."""
    rate: float = 0.5
    """Probability to drop, behind each hidden layer."""
    widths: tuple[int, ...] = (128, 128)
    """Units of each hidden layer."""
    epochs: int = 100
    """Passes over the training images."""
    train_size: int = 400
    """Training images, of the known classes."""
    unseen: tuple[int, ...] = (8, 9)
    """Classes that are not trained on."""
    smoke: bool = False
    """Three seeds of small ensembles, hardly trained: some seconds, which decide nothing."""

    smallest: ClassVar = {"seeds": 3, "members": 2, "samples": 8, "epochs": 10}

    def __post_init__(self) -> None:
        """Checks the numbers; the size of the training set is checked with the data."""
        fix = "One seed has no interval, and one member or sample nothing to average."
        expect_least(self, 2, "seeds", "members", "samples", fix=fix)
        super().__post_init__()
        networks, fix = self.seeds * self.members, "Lower --seeds or --members."
        expect(networks <= MOST, f"at most {MOST:,} networks", f"{networks:,}", fix)
        expect(self.samples <= MOST, f"--samples of at most {MOST:,}", f"{self.samples:,}")
        expect(1 <= self.epochs <= 10**8, "--epochs of 1 to 100,000,000", self.epochs)
        expect(self.members <= self.samples, f"--members of at most {self.samples}, the --samples",
               self.members, "Both are compared at equal numbers of passes.")  # fmt: skip
        expect(0 < self.rate < 1, "a --rate in (0, 1)", self.rate, "It is the probability to drop.")
        expect(len(self.widths) > 0 and min(self.widths) >= 1, "--widths of 1 or more", self.widths)
        classes = set(self.unseen)
        some = bool(classes) and classes < set(range(10)) and len(classes) <= 8
        fix = "Two classes or more have to be known. Try --unseen 8 9."
        expect(some, "1 to 8 of the digits 0 to 9 in --unseen", self.unseen, fix)


class Digits(NamedTuple):
    """Images as rows; labels count the known classes from 0 up. `y_test` holds for both tests."""

    x_train: Float32[np.ndarray, "train inputs"]
    y_train: Int32[np.ndarray, " train"]
    x_test: Float32[np.ndarray, "test inputs"]
    y_test: Int32[np.ndarray, " test"]
    x_corrupted: Float32[np.ndarray, "test inputs"]
    x_unseen: Float32[np.ndarray, "unseen inputs"]

    @property
    def classes(self) -> int:
        """How many are known."""
        return int(self.y_train.max()) + 1


def load(unseen: Sequence[int], train_size: int) -> Digits:
    """Splits the known classes, each in its share; what does not train tests."""
    x, labels = cast(tuple[np.ndarray, np.ndarray], load_digits(return_X_y=True))
    x, foreign = (x / 16).astype(np.float32), np.isin(labels, unseen)
    known = np.unique(labels[~foreign])
    y = np.searchsorted(known, labels[~foreign]).astype(np.int32)
    most = len(y) - len(known)
    fix = "Each known class needs an image to train and one to test."
    expect(len(known) <= train_size <= most, f"a --train-size from {len(known)} to {most}",
           train_size, fix)  # fmt: skip
    train, test = train_test_split(
        np.arange(len(y)), train_size=train_size, stratify=y, random_state=SPLIT_SEED
    )
    (x_train, x_test), (y_train, y_test) = ((a[train], a[test]) for a in (x[~foreign], y))
    return Digits(x_train, y_train, x_test, y_test, corrupt(x_test), x[foreign])


def corrupt(x: Float32[np.ndarray, "n inputs"]) -> Float32[np.ndarray, "n inputs"]:
    """Makes a third of the images noisy, hides a quarter of the next, turns the others by 90°.

    What is hidden is a square, anywhere in the image.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    images = x.reshape(-1, SIDE, SIDE)
    noisy = np.clip(images + NOISE * rng.normal(size=images.shape), 0, 1)
    corner = rng.integers(0, SIDE // 2 + 1, size=(2, len(images), 1))
    row, column = (corner <= np.arange(SIDE)) & (np.arange(SIDE) < corner + SIDE // 2)
    hidden = np.where(row[:, :, None] & column[:, None, :], 0, images)
    turned = np.rot90(images, axes=(1, 2))
    kind = (np.arange(len(images)) % 3)[:, None, None]
    return np.choose(kind, [noisy, hidden, turned]).astype(np.float32).reshape(x.shape)
