import numpy as np
import pytest

from experiments.errors import InputError
from experiments.training.chunks import Layout, choose

CASES = [
    (arms, devices, pairs, group)
    for arms in (1, 2, 15, 36)
    for devices in (1, 2, 3, 8)
    for pairs in (1, 16, 10**6)
    for group in (1, 10, 99)
]


@pytest.mark.parametrize("seeds", [1, 2, 3, 8, 30])
def test_every_pair_is_in_one_place_whatever_the_numbers(seeds):
    for arms, devices, pairs, group in CASES:
        check(seeds, arms, devices, pairs, group)


def check(seeds, arms, devices, pairs, group):
    layout = choose(seeds, arms, devices, pairs, group)
    assert layout.chunk % devices == 0
    assert layout.group <= group
    assert layout.chunk * layout.group <= max(pairs, devices)
    chunks = [layout.pairs(index) for index in range(layout.chunks)]
    tables = [100 * seed[:, None] + arm for seed, arm in chunks]
    assert all(table.shape == (layout.chunk, layout.group) for table in tables)
    expected = 100 * np.arange(seeds)[:, None] + np.arange(arms)
    np.testing.assert_array_equal(layout.join(tables), expected)


def test_arms_of_a_seed_stay_together_where_seeds_are_enough_for_the_devices():
    assert choose(8, 36, 2, 10**6, 99) == Layout(8, 36, group=36, chunk=8)
    assert choose(2, 36, 8, 10**6, 99) == Layout(2, 36, group=9, chunk=8)


def test_little_is_padded():
    assert choose(9, 10, 8, 10**6, 99).chunk == 16
    assert choose(1, 10, 8, 10**6, 99) == Layout(1, 10, group=2, chunk=8)


def test_other_devices_keep_rows_and_groups():
    layout = choose(5, 7, 1, 14, 99)
    for devices in (1, 2, 4, 8):
        moved = layout.on(devices)
        assert moved.chunk % devices == 0
        assert (moved.group, moved.rows) == (layout.group, layout.rows)


@pytest.mark.parametrize("numbers", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, -3)])
def test_numbers_below_1_are_refused(numbers):
    with pytest.raises(InputError, match="of 1 or more"):
        Layout(*numbers)
