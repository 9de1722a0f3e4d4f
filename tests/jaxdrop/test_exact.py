"""Counts that are exact.

A chi-square test at its 1 - 1e-5 point: a false alarm in 1e-5 of fresh keys.
"""

import itertools

import jax
import numpy as np
import pytest

import jaxdrop
from tests.jaxdrop.arrays import ones

KEY = jax.random.key(21)
RATES = [0.0, 0.05, 0.1, 0.25, 0.35, 0.5, 0.9, 0.96, 1.0]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("rate", RATES)
def test_exact_dropout_the_count_is_rounds(rate: float, axis: int):
    x = ones(10, 7, 25)
    y = np.asarray(jaxdrop.exact_dropout(KEY, x, rate, axis=axis))
    size = x.shape[axis]
    dropped = round(rate * size)
    np.testing.assert_array_equal((y == 0).sum(axis), np.full(np.delete(x.shape, axis), dropped))
    scale = size / (size - dropped) if dropped < size else 0
    np.testing.assert_allclose(y.max(), scale, rtol=1e-6)


def test_exact_dropout_the_count_is_exact_under_vmap_and_jit():
    keys, rates = jax.random.split(KEY, len(RATES)), np.array(RATES, np.float32)
    drop = jax.jit(jax.vmap(jaxdrop.exact_dropout, (0, None, 0)))
    dropped = (np.asarray(drop(keys, ones(6, 25), rates)) == 0).sum(-1)
    expected = np.round(np.array(RATES) * 25)[:, None]
    np.testing.assert_array_equal(dropped, np.broadcast_to(expected, (len(RATES), 6)))


@pytest.mark.parametrize(("rate", "size"), [(0.035, 300), (0.068, 625), (0.004, 1625)])
def test_exact_dropout_a_tie_that_float32_misses_is_rounded_as_python_does(rate: float, size: int):
    assert np.round(np.float32(rate) * np.float32(size)) != round(rate * size)
    y = np.asarray(jaxdrop.exact_dropout(KEY, ones(size), rate))
    assert (y == 0).sum() == round(rate * size)


def test_exact_dropout_rates_of_rows():
    rates = np.array([0.0, 0.25, 0.5, 1.0], np.float32)
    y = np.asarray(jaxdrop.exact_dropout(KEY, ones(4, 8), rates[:, None]))
    np.testing.assert_array_equal((y == 0).sum(-1), [0, 2, 4, 8])


def test_exact_dropout_every_set_is_equally_likely():
    y = np.asarray(jaxdrop.exact_dropout(KEY, ones(60_000, 4), 0.5))
    seen = (y != 0) @ np.array([1, 2, 4, 8])
    sets = [2**i + 2**j for i, j in itertools.combinations(range(4), 2)]
    counts = np.array([(seen == code).sum() for code in sets])
    assert counts.sum() == 60_000
    assert (np.square(counts - 10_000) / 10_000).sum() < 30.9  # 5 degrees of freedom


def test_exact_dropout_the_total_of_equal_elements_does_not_vary():
    y = jaxdrop.exact_dropout(KEY, ones(50, 16), 0.25)
    np.testing.assert_allclose(np.asarray(y).sum(-1), 16, rtol=1e-6)
