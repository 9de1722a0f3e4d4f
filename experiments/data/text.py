"""Text as numbers: windows of characters, and for each the character that follows."""

from pathlib import Path

import numpy as np
from jaxtyping import Int32
from sklearn import datasets

from experiments.data.images import Dataset
from experiments.errors import InputError, expect

SHIPPED = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
RARE = 5  # characters seen less often become one


def load(name: str, length: int, train_size: int, test_size: int) -> tuple[Dataset, int]:
    """Windows of a text, and how many characters there are.

    Training windows are cut from the beginning, and test windows from the end: no character is in
    both. `name` is sklearn (what it says of its data sets) or the path of a .txt file.
    """
    text = _shipped() if name == "sklearn" else _file(Path(name))
    numbers, alphabet = encode(text)
    windows = numbers[: len(numbers) // (length + 1) * (length + 1)].reshape(-1, length + 1)
    expect(
        train_size < len(windows),
        f"a --train-size below {len(windows)}, the windows of {length + 1} characters there are",
        train_size,
    )
    train, test = windows[:train_size], windows[train_size:][-test_size:]
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
        raise InputError(f"Expected text in UTF-8 in {path}; got: {error}.") from None
