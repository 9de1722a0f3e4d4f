"""Which images of the pool a seed trains on."""

import numpy as np
import pytest

from experiments.data.images import Dataset
from experiments.errors import InputError
from experiments.models import Perceptron
from experiments.training.draw import draw, shares
from experiments.training.task import Plan, Problem

LABELS = np.repeat(np.arange(3), (60, 30, 10)).astype(np.int32)
SEEDS = np.array([4, 4, 0, 1])


def drawn(size=20, held_out=0, labels: np.ndarray = LABELS, seed=0, seeds=SEEDS):
    data = Dataset(np.zeros((len(labels), 2)), labels, np.zeros((5, 2)), np.zeros(5, int))
    plan = Plan(Perceptron((2, 3, 3)), size, 5, 1, 1, held_out=held_out)
    return draw(plan, Problem(data, np.array(seed, np.uint32)), seeds)


def test_each_seed_draws_its_own_of_each_class_its_share():
    images = drawn()
    assert images.shape == (4, 20)
    assert images.dtype == np.int32
    np.testing.assert_array_equal(images[0], images[1])
    for row in images:
        assert len({*row.tolist()}) == 20
        np.testing.assert_array_equal(np.bincount(LABELS[row]), [12, 6, 2])
    assert len({tuple(sorted(row)) for row in images.tolist()}) == 3
    assert not np.array_equal(images[2], drawn(seed=1)[2])


def test_a_seed_draws_the_same_whichever_others_there_are():
    np.testing.assert_array_equal(drawn()[2], drawn(seeds=np.array([0]))[0])


def test_the_last_are_held_out_each_class_in_its_share_too():
    for row in drawn(30, held_out=10):
        np.testing.assert_array_equal(np.bincount(LABELS[row[:20]]), [12, 6, 2])
        np.testing.assert_array_equal(np.bincount(LABELS[row[20:]]), [6, 3, 1])


def test_every_image_is_drawn_as_often_as_its_share_says():
    """5 standard deviations of 100 binomial counts: a false alarm in 20,000 sets of keys."""
    often = np.bincount(drawn(seeds=np.arange(400)).ravel(), minlength=100)
    assert abs(often - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)


def test_of_a_pool_no_larger_all_train_in_their_order():
    np.testing.assert_array_equal(drawn(100), np.tile(np.arange(100), (4, 1)))


def test_text_has_no_classes():
    assert drawn(labels=np.zeros((100, 7), np.int32)).shape == (4, 20)


@pytest.mark.parametrize(("counts", "size", "expected"), [
    ([10, 10], 5, [3, 2]), ([60, 30, 10], 7, [4, 2, 1]), ([5, 0, 5], 4, [2, 0, 2]),
    ([97, 2, 1], 3, [1, 1, 1]),
])  # fmt: skip
def test_shares_add_up(counts, size, expected):
    assert shares(np.array(counts), size).tolist() == expected


def test_fewer_images_than_classes_are_refused():
    said = r"3 images or more to train on, one a class; got 2\. Raise --train-size"
    with pytest.raises(InputError, match=said):
        drawn(2)
