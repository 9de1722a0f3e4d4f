"""Text as numbers: windows of characters, and for each the character that follows."""

from pathlib import Path

import numpy as np
from jaxtyping import Int32
from sklearn import datasets

from experiments.data.images import SPLIT_SEED, TEST_SHARE, Dataset, Split
from experiments.errors import InputError, expect

SHIPPED = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
RARE = 5  # characters seen less often become one


def load(
    name: str, length: int, train_size: int, test_size: int, split: Split = "drawn"
) -> tuple[Dataset, int]:
    """Windows of a text, and how many characters there are.

    A third of them test at most, chosen once; the others are the pool. If the split is fixed, those
    that train are the first and those that test the last. No character is in two windows. `name` is
    sklearn (what it says of its data sets) or the path of a .txt file.
    """
    text = _shipped() if name == "sklearn" else _file(Path(name))
    numbers, alphabet = encode(text)
    windows = numbers[: len(numbers) // (length + 1) * (length + 1)].reshape(-1, length + 1)
    test_size = min(test_size, int(TEST_SHARE * len(windows)))
    expect(test_size > 0, f"a text of 4 windows of {length + 1} characters", len(windows))
    if split == "drawn":
        windows = windows[np.random.default_rng(SPLIT_SEED).permutation(len(windows))]
    train, test = windows[:-test_size], windows[-test_size:]
    if split == "fixed":
        train = train[:train_size]
    return Dataset(train[:, :-1], train[:, 1:], test[:, :-1], test[:, 1:]), alphabet


def encode(text: str) -> tuple[Int32[np.ndarray, " characters"], int]:
    """Each character as a number, from 1 up in order; all rare ones are 0."""
    characters, which, counts = np.unique(list(text), return_inverse=True, return_counts=True)
    common = counts >= RARE
    numbers = np.where(common, np.cumsum(common), 0)
    expect(bool(common.any()), f"a text with a character seen {RARE} times", len(characters))
    return numbers[which].astype(np.int32), int(common.sum()) + 1


def _shipped() -> str:
    return "\n".join(getattr(datasets, f"load_{name}")().DESCR for name in SHIPPED)


def _file(path: Path) -> str:
    known = "--dataset to be sklearn or the path of a .txt file"
    expect(path.suffix == ".txt", known, repr(str(path)))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or error
        raise InputError(f"Expected text in UTF-8 in {path}; got: {got}.") from None
