"""Images and labels in memory: from scikit-learn, from OpenML, or from a file of the user's."""

import warnings
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Array, Int, Int32, Shaped
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split

from experiments.data import npz
from experiments.errors import InputError, expect

OPENML = {"mnist": 554, "fashion_mnist": 40996}
OPENML_TRAIN = 60_000  # both hold their own training images first, then 10,000 for testing
SPLIT_SEED = 0  # the split belongs to the protocol, not to what is repeated over seeds


class Dataset(NamedTuple):
    """Images as rows with labels from 0 up; or rows of characters, and those that follow them."""

    x_train: Shaped[Array | np.ndarray, "train inputs"]
    y_train: Int32[Array | np.ndarray, "train *places"]
    x_test: Shaped[Array | np.ndarray, "test inputs"]
    y_test: Int32[Array | np.ndarray, "test *places"]

    @property
    def inputs(self) -> int:
        """How many numbers make an image."""
        return self.x_train.shape[1]

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return int(self.y_train.max()) + 1


def load(name: str, train_size: int, test_size: int) -> Dataset:
    """Loads a data set, and takes a fixed, stratified part of it."""
    if name == "digits":
        data = _digits(train_size)
    elif name in OPENML:
        data = _openml(name)
    else:
        data = _file(name)
    train, _ = _choose(data.y_train, train_size, "--train-size")
    test, _ = _choose(data.y_test, min(test_size, len(data.y_test)), "--test-size")
    return Dataset(data.x_train[train], data.y_train[train], data.x_test[test], data.y_test[test])


def _choose(
    labels: Int[Array | np.ndarray, " n"], size: int, flag: str
) -> tuple[Int[np.ndarray, " size"], Int[np.ndarray, " rest"]]:
    """Which ones to take, each class in its share, and which ones to leave."""
    everything = np.arange(len(labels))
    expect(size <= len(labels), f"a {flag} of at most {len(labels)}, all there are", size)
    if size == len(labels):
        return everything, everything[:0]
    try:
        split = train_test_split(
            everything, train_size=size, stratify=labels, random_state=SPLIT_SEED
        )
    except ValueError as error:  # fewer images than classes, taken or left
        raise InputError(f"Expected a {flag} that gives every class its share: {error}") from None
    return cast(tuple[np.ndarray, np.ndarray], split)


def _digits(train_size: int) -> Dataset:
    """Whatever is not used to train is used to test."""
    images, labels = cast(tuple[np.ndarray, np.ndarray], load_digits(return_X_y=True))
    train, rest = _choose(labels, train_size, "--train-size")
    expect(len(rest) > 0, f"a --train-size below {len(labels)}", train_size, "Some must test.")
    return _dataset(images[train] / 16, labels[train], images[rest] / 16, labels[rest])


def _openml(name: str) -> Dataset:
    """Downloads once: scikit-learn keeps a copy in its data home."""
    try:
        with warnings.catch_warnings():  # of retries: if they fail, the error says so
            warnings.simplefilter("ignore", UserWarning)
            images, labels = fetch_openml(
                data_id=OPENML[name], return_X_y=True, as_frame=False, parser="liac-arff"
            )
    except (OSError, ValueError) as error:  # no network, no space; a damaged file, a wrong answer
        raise InputError(
            f"Expected to download {name} from OpenML, or to find it in scikit-learn's cache; "
            f"got: {error}. Check the network, or pass the path of an .npz file as --dataset."
        ) from None
    images, labels = images.astype(np.float32) / 255, labels.astype(int)
    n = OPENML_TRAIN
    return _dataset(images[:n], labels[:n], images[n:], labels[n:])


def _file(name: str) -> Dataset:
    choices = ", ".join(["digits", *OPENML])
    expect(
        name.endswith(".npz"),
        f"--dataset to be one of {choices}, or the path of an .npz file",
        repr(name),
    )
    return _dataset(*npz.read(Path(name)))


def _dataset(*arrays: Shaped[np.ndarray, "..."]) -> Dataset:
    """Flattens images, and gives everything the type that it is computed in."""
    x_train, y_train, x_test, y_test = arrays
    return Dataset(
        x_train.reshape(len(x_train), -1).astype(np.float32),
        y_train.astype(np.int32),
        x_test.reshape(len(x_test), -1).astype(np.float32),
        y_test.astype(np.int32),
    )
