"""Data from outside: an npz file is read without pickle, and nothing in it is taken on trust."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from experiments.errors import InputError, expect

OBJECTS = "Object arrays"  # as numpy's refusal begins
NAMES = ("x_train", "y_train", "x_test", "y_test")
Numbers = Shaped[np.ndarray, "..."]


def read(path: Path, classes: bool = True) -> list[Numbers]:
    """Reads and checks the four arrays; images of uint8 are scaled to [0, 1]."""
    arrays = _load(path)
    try:
        return checked(arrays, classes)
    except InputError as error:
        raise InputError(f"{error} The file is {path}.") from None


def checked(arrays: Mapping[str, Numbers], classes: bool = True) -> list[Numbers]:
    """The four arrays, whose targets are labels of classes or else real numbers."""
    for part in ("train", "test"):
        inputs, targets = arrays[f"x_{part}"], arrays[f"y_{part}"]
        _check_numbers(f"x_{part}", inputs, "(images, ...)", inputs.ndim >= 2)
        check = _check_labels if classes else _check_targets
        check(f"y_{part}", targets, len(inputs))
    _check_agreement(arrays, "x")
    _check_kinds(arrays["x_train"].dtype, arrays["x_test"].dtype)
    (_check_classes if classes else _check_agreement)(arrays, "y")
    return [_scaled(arrays[name]) if name[0] == "x" else arrays[name] for name in NAMES]


def _load(path: Path) -> dict[str, Numbers]:
    """What numpy or the operating system have to say of a bad file ends up in one message."""
    try:
        with path.open("rb") as source:  # numpy leaves a damaged file open
            file = np.load(source, allow_pickle=False)
            expect(not isinstance(file, np.ndarray), f"{path} to be an .npz file", "a single array")
            missing = ", ".join(name for name in NAMES if name not in file.files)
            expect(not missing, f"the arrays {', '.join(NAMES)} in {path}", f"no {missing}")
            return {name: _array(path, file, name) for name in NAMES}
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"Expected to read {path}; got: {error.strerror or error}.") from None
    except Exception as error:  # zip alone has a dozen kinds: encrypted, unknown, cut off
        raise _damaged(f"{path} to be an .npz file", error) from None


def _array(path: Path, file: Any, name: str) -> Numbers:
    try:
        return file[name]
    except Exception as error:
        fix = "Are its rows of one length? numpy.stack makes an array of them."
        expect(OBJECTS not in str(error), f"numbers in {name} of {path}", "Python objects", fix)
        raise _damaged(f"{name} in {path} to be a plain array", error) from None


def _damaged(expected: str, error: Exception) -> InputError:
    """Of text numpy says that it is a pickle, and how to load it."""
    got = getattr(error, "strerror", None) or str(error) or type(error).__name__
    got = "something else" if "pickle" in got else got
    return InputError(
        f"Expected {expected}; got: {got}. "
        "Write one with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)."
    )


def _check_numbers(name: str, numbers: Numbers, shape: str, shaped: bool) -> None:
    numeric = np.issubdtype(numbers.dtype, np.integer) or np.issubdtype(numbers.dtype, np.floating)
    expect(numeric, f"real numbers in {name}", numbers.dtype)
    whole = shaped and numbers.size > 0
    expect(whole, f"{name} of shape {shape}, not empty", f"shape {numbers.shape}")
    with np.errstate(over="ignore"):
        bad = int((~np.isfinite(numbers.astype(np.float32))).sum())
    expect(bad == 0, f"finite float32 numbers in {name}", f"{bad} that are NaN or infinite")


def _check_targets(name: str, targets: Numbers, images: int) -> None:
    shaped = targets.ndim in (1, 2) and len(targets) == images
    _check_numbers(name, targets, f"({images},) or ({images}, outputs)", shaped)


def _check_labels(name: str, labels: Numbers, images: int) -> None:
    shaped = labels.shape == (images,)
    one_hot = labels.ndim == 2 and len(labels) == images
    fix = "One-hot labels become numbers by .argmax(1)." if one_hot else ""
    expect(shaped, f"{name} of shape ({images},), a label an image", f"shape {labels.shape}", fix)
    integer = np.issubdtype(labels.dtype, np.integer)
    expect(integer, f"labels of an integer type in {name}", labels.dtype)
    expect(labels.min() >= 0, f"labels from 0 up in {name}", labels.min())


def _check_agreement(arrays: Mapping[str, Numbers], of: str) -> None:
    train, test = arrays[f"{of}_train"].shape[1:], arrays[f"{of}_test"].shape[1:]
    what = {"x": "images", "y": "targets"}[of]
    expect(train == test, f"{what} of shape {train} in {of}_test, as in {of}_train", f"{test}")


def _check_kinds(train: np.dtype, test: np.dtype) -> None:
    """Only uint8 is scaled, and whole numbers may stay such: both arrays are treated alike."""
    kind = lambda dtype: "uint8" if dtype == np.uint8 else np.issubdtype(dtype, np.integer)  # noqa: E731
    what, fix = f"x_test of the kind of x_train, {train}", "Make both uint8, integers or floats."
    expect(kind(train) == kind(test), what, test, fix)


def _check_classes(arrays: Mapping[str, Numbers], of: str) -> None:
    classes = np.unique(arrays[f"{of}_train"])
    fix = "Number the classes 0, 1, 2, …"
    expect(len(classes) > 1, "two classes or more in y_train", len(classes), fix)
    every, there = f"every label from 0 to {classes[-1]} in y_train", f"{len(classes)} of them"
    expect(classes[-1] == len(classes) - 1, every, there, fix)
    unknown = np.setdiff1d(arrays[f"{of}_test"], classes)
    expect(not unknown.size, "in y_test only labels of y_train", unknown[:5].tolist())


def _scaled(images: Numbers) -> Numbers:
    return images / np.float32(255) if images.dtype == np.uint8 else images
