import urllib.error

import numpy as np
import pytest

from experiments.data import images as data
from experiments.data.images import Form, load
from experiments.errors import InputError

LABELS = np.arange(60) % 3


def arrays(**changes):
    images = np.arange(60 * 4, dtype=np.uint8).reshape(60, 2, 2)
    whole = {"x_train": images, "y_train": LABELS, "x_test": images[:30], "y_test": LABELS[:30]}
    return {name: array for name, array in (whole | changes).items() if array is not None}


def saved(folder, **changes):
    np.savez(folder / "set.npz", **arrays(**changes))
    return str(folder / "set.npz")


@pytest.mark.parametrize(("name", "shape", "pool", "tests"), [
    ("digits", 64, 1204, 593), ("mnist5k", 784, 3350, 1650),
])  # fmt: skip
def test_test_images_are_chosen_once_each_class_in_its_share(name, shape, pool, tests):
    first, second = load(name, 500, 2000), load(name, 60, 2000)  # whatever is drawn of the pool
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.x_train.shape == (pool, shape)
    assert first.x_test.shape == (tests, shape)
    assert first.x_train.dtype == np.float32
    assert (first.x_train.min(), first.x_train.max()) == (0, 1)
    shares = np.bincount(first.y_test) / np.bincount(first.y_train)
    np.testing.assert_allclose(shares, tests / pool, atol=0.02)


def test_a_fixed_split_is_one_choice_and_all_else_tests():
    fixed = load("digits", 500, 2000, "fixed")
    assert fixed.x_train.shape == (500, 64)
    assert fixed.x_test.shape == (1297, 64)
    counts = np.bincount(fixed.y_train)
    assert counts.min() >= 48
    assert counts.max() <= 52


@pytest.mark.parametrize("split", ["drawn", "fixed"])
def test_no_image_is_for_training_and_for_testing(split):
    parts = load("digits", 500, 2000, split)
    assert not {row.tobytes() for row in parts.x_train} & {row.tobytes() for row in parts.x_test}


def test_the_test_part_can_be_limited():
    limited = load("digits", 500, 100)
    assert limited.x_test.shape == (100, 64)
    assert np.bincount(limited.y_test).min() >= 9


def test_a_file_is_flattened_scaled_and_cut(tmp_path):
    part = load(saved(tmp_path), 30, 2000, "fixed")
    assert part.x_train.shape == (30, 4)
    assert part.x_test.shape == (30, 4)
    np.testing.assert_array_equal(np.bincount(part.y_train), [10, 10, 10])
    np.testing.assert_allclose(part.x_test[1], np.array([4, 5, 6, 7]) / 255)
    assert (part.inputs, part.classes) == (4, 3)


def test_a_file_of_floats_is_taken_as_it_is(tmp_path):
    images = np.linspace(-3, 300, 240).reshape(60, 4)
    part = load(saved(tmp_path, x_train=images, x_test=images[:30]), 60, 2000)
    np.testing.assert_array_equal(part.x_train, images.astype(np.float32))


BAD_ARRAYS = {
    "missing": ({"y_test": None}, "y_test"),
    "text": ({"x_train": np.full((60, 4), "a")}, "real numbers in x_train"),
    "complex": ({"x_test": np.ones((30, 2, 2), complex)}, "real numbers in x_test"),
    "flat images": ({"x_train": np.ones(60)}, r"x_train of shape \(images, ...\)"),
    "no images": ({"x_test": np.ones((0, 2, 2)), "y_test": LABELS[:0]}, "x_test .* not empty"),
    "nan": ({"x_train": np.full((60, 4), np.nan)}, "x_train; got 240 that are NaN"),
    "too large": ({"x_train": np.full((60, 4), 1e300)}, "finite float32 numbers in x_train"),
    "float labels": ({"y_train": LABELS.astype(float)}, "integer type in y_train; got float64"),
    "one-hot labels": (
        {"y_train": np.eye(3)[LABELS]},
        r"y_train of shape \(60,\).*argmax.*set\.npz",
    ),
    "too few labels": ({"y_test": LABELS[:29]}, r"y_test of shape \(30,\).*\(29,\)"),
    "negative labels": ({"y_train": LABELS - 1}, "labels from 0 up in y_train; got -1"),
    "one class": ({"y_train": LABELS * 0}, "two classes or more in y_train; got 1"),
    "a gap": ({"y_train": LABELS * 2}, "every label from 0 to 4 in y_train; got 3"),
    "unknown label": ({"y_test": LABELS[:30] + 1}, "y_test only labels of y_train; got .3"),
    "other images": ({"x_test": np.ones((30, 5))}, r"shape \(2, 2\) in x_test"),
    "other whole numbers": (
        {"x_test": np.ones((30, 2, 2), int)},
        "x_test of the kind of x_train, uint8; got int64",
    ),
    "no whole numbers": ({"x_test": np.ones((30, 2, 2))}, "x_train, uint8; got float64"),
    "pickled": ({"x_train": np.array([{}] * 60)}, r"numbers in x_train of .*set\.npz"),
    "ragged": (
        {"y_test": np.array([[1], [1, 2]], object)},
        r"numbers in y_test of .*set\.npz; got Python objects\. Are its rows of one length",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_a_malformed_file_is_refused_and_the_array_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as refused:
        load(saved(tmp_path, **changes), 30, 2000)
    assert "pickle" not in str(refused.value)


BAD_FILES = {
    "empty": b"",
    "text": b"x_train,y_train\n",
    "not a zip": b"PK\x03\x04 and no more",
    "pickle": b"\x80\x04]\x94.",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_no_npz_file_is_refused(tmp_path, content):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"set\.npz to be an \.npz file") as refused:
        load(str(path), 30, 2000)
    assert "allow_pickle" not in str(refused.value)


def test_damage_inside_an_npz_file_is_refused(tmp_path):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays())
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(InputError, match="a plain array"):
        load(str(path), 30, 2000)


def test_a_single_array_is_no_npz_file(tmp_path):
    with (tmp_path / "set.npz").open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(InputError, match="a single array"):
        load(str(tmp_path / "set.npz"), 30, 2000)


@pytest.mark.parametrize("name", ["nothing.npz", "."])
def test_a_path_that_leads_to_no_file(tmp_path, name):
    with pytest.raises(InputError, match=r"No such file|digits, mnist5k, mnist") as refused:
        load(str(tmp_path / name), 30, 2000)
    assert "Errno" not in str(refused.value)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"digits, mnist5k, mnist, fashion_mnist.*'cifar'"):
        load("cifar", 500, 2000)


def test_a_fixed_split_leaves_some_to_test():
    with pytest.raises(InputError, match="below 1797"):
        load("digits", 1797, 2000, "fixed")


@pytest.mark.parametrize("size", [9, 1790])
def test_too_few_images_for_a_share_of_every_class(size):
    said = rf"its share; got {size} of \d+ images in 10 classes\. Of each"
    with pytest.raises(InputError, match=said):
        load("digits", size, 2000, "fixed")


def test_openml_sets_come_through_scikit_learn(monkeypatch):
    def fetch(*, data_id, **options):
        assert data_id == 554
        labels = np.arange(60_100) % 10
        return np.repeat(labels[:, None], 3, 1) * 25.5, labels.astype(str)

    monkeypatch.setattr(data, "fetch_openml", fetch)
    part = load("mnist", 500, 2000, "fixed")
    assert part.x_train.shape == (500, 3)
    assert len(part.y_test) == 100
    np.testing.assert_allclose(part.x_train[:, 0] * 10, part.y_train, rtol=1e-6)


def test_openml_offline(monkeypatch):
    def fetch(**options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(data, "fetch_openml", fetch)
    with pytest.raises(InputError, match=r"no route to host.*path of an \.npz file"):
        load("fashion_mnist", 500, 2000)


def test_a_model_of_the_readers_sees_what_the_file_holds(tmp_path):
    whole = Form(whole=True)
    assert load(saved(tmp_path), 30, 2000, form=whole).x_train.shape == (60, 2, 2)
    tokens = np.arange(120).reshape(60, 2)
    part = load(saved(tmp_path, x_train=tokens, x_test=tokens[:30]), 30, 2000, form=whole)
    assert part.x_train.dtype == np.int32
    np.testing.assert_array_equal(part.x_train, tokens)


def test_targets_may_be_real_numbers(tmp_path):
    numbers, form = np.linspace(0, 1, 120).reshape(60, 2), Form(True, classes=False)
    part = load(saved(tmp_path, y_train=numbers, y_test=numbers[:30]), 20, 20, "fixed", form)
    assert part.y_train.dtype == np.float32
    assert (part.y_train.shape, part.y_test.shape) == ((20, 2), (20, 2))
    assert not part.has_classes


@pytest.mark.parametrize(("changes", "message"), [
    ({"y_train": np.zeros((60, 2, 2))}, r"y_train of shape \(60,\) or \(60, outputs\)"),
    ({"y_train": np.zeros((60, 2))}, r"targets of shape \(2,\) in y_test, as in y_train"),
    ({"y_test": np.full(30, np.inf)}, "finite float32 numbers in y_test"),
    ({"y_train": np.full(60, "a")}, "real numbers in y_train"),
])  # fmt: skip
def test_real_targets_are_checked(tmp_path, changes, message):
    numbers = np.linspace(0, 1, 60)
    file = saved(tmp_path, **{"y_train": numbers, "y_test": numbers[:30], **changes})
    with pytest.raises(InputError, match=message):
        load(file, 20, 20, form=Form(True, classes=False))
