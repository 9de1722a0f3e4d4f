"""The digits: of known classes, corrupted ones, and of unseen classes."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Float32, Int32
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from experiments.errors import expect

SIDE = 8
SPLIT_SEED = 0  # the split and the corruptions belong to the protocol, not to what is repeated
NOISE = 0.4  # standard deviation, where a pixel lies in [0, 1]


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
