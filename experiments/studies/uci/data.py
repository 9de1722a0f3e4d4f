"""A regression set in a folder of text files, with its splits."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Shaped

from experiments.errors import InputError, expect


class Splits(NamedTuple):
    """All splits of a set: what trains is normalised by it, targets to test are as they were."""

    x_train: Float32[np.ndarray, "splits train features"]
    y_train: Float32[np.ndarray, "splits train"]
    x_test: Float32[np.ndarray, "splits test features"]
    y_test: Float64[np.ndarray, "splits test"]
    mean: Float64[np.ndarray, "splits 1"]
    scale: Float64[np.ndarray, "splits 1"]


def load(folder: Path) -> Splits:
    """Reads `data.txt`, which columns are features and target, and the rows of each split."""
    table = numbers(folder / "data.txt", 2)
    features = _indices(folder / "index_features.txt", table.shape[1])
    target = _indices(folder / "index_target.txt", table.shape[1])
    x, y = table[:, features], table[:, target[0]]
    count = range(sum(1 for _ in folder.glob("index_train_*.txt")))
    expect(len(count) > 0, f"index_train_0.txt and so on in {folder}", "none")
    splits = [_split(folder, index, x, y) for index in count]
    sizes = [tuple(map(len, split)) for split in splits]
    for index, size in enumerate(sizes):
        expect(size == sizes[0], f"split {index} in {folder} to be as large as split 0", "another")
    return Splits(*map(np.stack, zip(*splits, strict=True)))


def _split(folder: Path, number: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    files = (folder / f"index_{half}_{number}.txt" for half in ("train", "test"))
    train, test = (_indices(file, len(y)) for file in files)
    (x_mean, x_scale), (mean, scale) = _normaliser(x[train]), _normaliser(y[train])
    of_train, of_test = ((x[rows] - x_mean) / x_scale for rows in (train, test))
    seen = (of_train, (y[train] - mean) / scale, of_test)
    return (*(array.astype(np.float32) for array in seen), y[test], mean[None], scale[None])


def _normaliser(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation; what never varies is left as it is."""
    scale = np.asarray(values.std(0))
    return np.asarray(values.mean(0)), np.where(scale == 0, 1, scale)


def numbers(file: Path, rank: Literal[1, 2]) -> Float64[np.ndarray, "..."]:
    """Those in a file of text, all finite."""
    try:
        values = np.loadtxt(file, ndmin=rank)
    except OSError as error:
        fix = "Name the folder of the sets with --data-dir."
        reason = error.strerror or "none"
        raise InputError(f"Expected a file {file}; got: {reason}. {fix}") from None
    except ValueError as error:
        raise InputError(f"Expected numbers in {file}; got: {error}.") from None
    expect(values.size > 0 and bool(np.isfinite(values).all()), f"finite numbers in {file}", "none")
    return values


def _indices(file: Path, size: int) -> Shaped[np.ndarray, " n"]:
    values = numbers(file, 1)
    valid = bool(((values == values.astype(int)) & (values >= 0) & (values < size)).all())
    expect(valid, f"whole numbers from 0 to {size - 1} in {file}", "others")
    return values.astype(int)
