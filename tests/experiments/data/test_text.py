"""Text as windows of characters."""

import numpy as np
import pytest

from experiments import cli
from experiments.data import text
from experiments.errors import InputError

WORDS = "the cat sat on the mat. " * 40


def saved(folder, content=WORDS, name="set.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_the_shipped_text_needs_no_network():
    data, alphabet = text.load("sklearn", 32, 300, 100, "fixed")
    assert data.x_train.shape == data.y_train.shape == (300, 32)
    assert data.x_test.shape == data.y_test.shape == (100, 32)
    assert {array.dtype for array in data} == {np.dtype(np.int32)}
    assert 50 < alphabet < 100
    assert {*np.unique(data.x_train)} <= {*range(alphabet)}


def test_the_label_of_a_character_is_the_next_one(tmp_path):
    data, _ = text.load(saved(tmp_path), 7, 50, 20)
    for x, y in (data[:2], data[2:]):
        np.testing.assert_array_equal(x[:, 1:], y[:, :-1])


def test_windows_lie_side_by_side_training_first_and_tests_last(tmp_path):
    numbers, _ = text.encode(WORDS)  # 960 characters: 120 windows of 8
    data, _ = text.load(saved(tmp_path), 7, 50, 20, "fixed")
    train, test = (np.c_[x, y[:, -1:]].ravel() for x, y in (data[:2], data[2:]))
    np.testing.assert_array_equal(train, numbers[:400])
    np.testing.assert_array_equal(test, numbers[-160:])


def test_tests_are_a_third_at_most_and_all_else_is_the_pool(tmp_path):
    data, _ = text.load(saved(tmp_path), 7, 50, 100)
    assert (len(data.y_train), len(data.y_test)) == (81, 39)
    windows = [
        tuple(np.r_[x, y[-1:]]) for part in (data[:2], data[2:]) for x, y in zip(*part, strict=True)
    ]
    whole, _ = text.encode(WORDS)
    assert sorted(windows) == sorted(map(tuple, whole.reshape(-1, 8)))


def test_characters_are_numbered_in_order_and_rare_ones_are_one():
    numbers, alphabet = text.encode("c" * 9 + "bbbb" + "a" * 5 + "é" + "日" * 4 + "ß" * 6)
    assert alphabet == 4
    assert numbers.tolist() == [2] * 9 + [0] * 4 + [1] * 5 + [0] * 5 + [3] * 6


def test_a_text_too_short_to_test_is_refused(tmp_path):
    with pytest.raises(InputError, match="a text of 4 windows of 31 characters; got 3"):
        text.load(saved(tmp_path, "abcd " * 20), 30, 2, 20)


@pytest.mark.parametrize("content", ["", "abcdefg"])
def test_a_text_of_rare_characters_alone_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="seen 5 times"):
        text.load(saved(tmp_path, content), 2, 1, 1)


@pytest.mark.parametrize(("content", "name", "message"), [
    (b"caf\xe9 " * 99, "set.txt", r"UTF-8 in .*set\.txt; got: 'utf-8' codec"),
    (WORDS, "set.csv", r"sklearn or the path of a \.txt file; got '.*set\.csv'"),
])  # fmt: skip
def test_what_is_no_text_is_refused(tmp_path, content, name, message):
    with pytest.raises(InputError, match=message):
        text.load(saved(tmp_path, content, name), 7, 50, 20)


@pytest.mark.parametrize("name", ["nothing.txt", "folder.txt", "nul\0.txt"])
def test_a_path_that_leads_to_no_file(tmp_path, name):
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(InputError, match=r"text in UTF-8 in .*; got: .*"):
        text.load(str(tmp_path / name), 7, 50, 20)


def test_a_name_that_is_no_path_lists_what_there_is():
    with pytest.raises(InputError, match=r"sklearn or .*; got 'shakespeare'"):
        text.load("shakespeare", 7, 50, 20)


def test_a_study_of_a_text_that_is_missing_leaves_no_folder(tmp_path, capsys):
    arguments = ["--dataset", "missing.txt", "--output", str(tmp_path / "run")]
    assert cli.main(["run", "recurrent", "--smoke", *arguments]) == 2
    assert "error: Expected text in UTF-8 in missing.txt" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
