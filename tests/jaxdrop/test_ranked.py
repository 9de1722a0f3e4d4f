"""Counts that are exact, and targets that are the least.

Two chi-square tests at their 1 - 1e-5 points: a false alarm in 2e-5 of fresh keys.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(21)
RATES = [0.0, 0.05, 0.1, 0.25, 0.35, 0.5, 0.9, 0.96, 1.0]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("rate", RATES)
def test_the_count_is_rounds(rate: float, axis: int):
    x = jnp.ones((10, 7, 25))
    y = jaxdrop.exact_dropout(KEY, x, rate, axis=axis)
    size = x.shape[axis]
    dropped = round(rate * size)
    np.testing.assert_array_equal((y == 0).sum(axis), np.full(np.delete(x.shape, axis), dropped))
    scale = size / (size - dropped) if dropped < size else 0
    np.testing.assert_allclose(y.max(), scale, rtol=1e-6)


def test_the_count_is_exact_under_vmap_and_jit():
    keys, rates = jax.random.split(KEY, len(RATES)), jnp.array(RATES)
    drop = jax.jit(jax.vmap(jaxdrop.exact_dropout, (0, None, 0)))
    dropped = (drop(keys, jnp.ones((6, 25)), rates) == 0).sum(-1)
    expected = np.round(np.array(RATES) * 25)[:, None]
    np.testing.assert_array_equal(dropped, np.broadcast_to(expected, (len(RATES), 6)))


@pytest.mark.parametrize(("rate", "size"), [(0.035, 300), (0.068, 625), (0.004, 1625)])
def test_a_tie_that_float32_misses_is_rounded_as_python_does(rate: float, size: int):
    assert np.round(np.float32(rate) * np.float32(size)) != round(rate * size)
    y = jaxdrop.exact_dropout(KEY, jnp.ones(size), rate)
    assert (y == 0).sum() == round(rate * size)


def test_rates_of_rows():
    rates = jnp.array([0.0, 0.25, 0.5, 1.0])
    y = jaxdrop.exact_dropout(KEY, jnp.ones((4, 8)), rates[:, None])
    np.testing.assert_array_equal((y == 0).sum(-1), [0, 2, 4, 8])


def test_every_set_is_equally_likely():
    y = jax.jit(lambda key: jaxdrop.exact_dropout(key, jnp.ones((60_000, 4)), 0.5))(KEY)
    seen = np.asarray((y != 0).astype(int) @ jnp.array([1, 2, 4, 8]))
    sets = [2**i + 2**j for i, j in itertools.combinations(range(4), 2)]
    counts = np.array([(seen == code).sum() for code in sets])
    assert counts.sum() == 60_000
    assert (np.square(counts - 10_000) / 10_000).sum() < 30.9  # 5 degrees of freedom


def test_the_total_of_equal_elements_does_not_vary():
    totals = jaxdrop.exact_dropout(KEY, jnp.ones((50, 16)), 0.25).sum(-1)
    np.testing.assert_allclose(totals, 16, rtol=1e-6)


@pytest.mark.parametrize(("axis", "share"), [(0, 0.3), (1, 0.5), (-1, 0.29), (0, 1.0), (1, 0.0)])
def test_targets_are_the_share_of_least_magnitude(axis: int, share: float):
    x = np.array(jax.random.normal(jax.random.key(1), (20, 100)))
    y = jaxdrop.targeted_dropout(KEY, x, 1.0, target_share=share, axis=axis)
    expected, count = x.copy(), int(np.float32(share) * np.float32(x.shape[axis]))
    least = np.argsort(np.abs(x), axis)
    np.put_along_axis(expected, np.take(least, np.arange(count), axis), 0, axis)
    np.testing.assert_array_equal(y, expected)


def test_targets_fall_at_the_rate_and_others_stay():
    """Chi-square with one degree of freedom on 50,000 targets."""
    x = jax.random.normal(jax.random.key(2), (1000, 100))
    y = jax.jit(lambda x: jaxdrop.targeted_dropout(KEY, x, 0.3, target_share=0.5))(x)
    gone = np.asarray(y == 0)
    np.testing.assert_array_equal(y[~gone], x[~gone])
    assert (np.abs(x) > np.median(np.abs(x), -1, keepdims=True))[gone].sum() == 0
    assert (gone.sum() - 15_000) ** 2 / (50_000 * 0.3 * 0.7) < 19.5


def test_units_compete_by_their_norm_and_fall_whole():
    weights = jnp.array([[3.0, 0.1, -1.0], [-3.0, 4.0, 1.0]])  # norms 4.2, 4.0, 1.4
    y = jaxdrop.targeted_dropout(KEY, weights, 1.0, target_share=0.67, broadcast_dims=(0,))
    np.testing.assert_array_equal(y, weights * jnp.array([[1.0, 0.0, 0.0]]))


def test_scaled_targets_keep_their_mean():
    x = jnp.array([3.0, -0.1, 2.0, 0.2])
    y = jaxdrop.targeted_dropout(KEY, x, 0.5, target_share=0.5, scale=True)
    assert set(np.asarray(y / x).tolist()) <= {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(y[::2], x[::2])


def test_the_share_may_be_traced():
    x = jax.random.normal(jax.random.key(3), (8, 50))
    prune = jax.jit(lambda share: jaxdrop.targeted_dropout(KEY, x, 1.0, target_share=share))
    for share in (0.0, 0.3, 1.0):
        np.testing.assert_array_equal((prune(share) == 0).sum(-1), np.full(8, round(share * 50)))


def test_the_gradient_is_that_of_the_mask():
    x = jax.random.normal(jax.random.key(4), (5, 24))
    gradient = jax.grad(lambda x: jaxdrop.targeted_dropout(KEY, x, 0.5, target_share=0.5).sum())(x)
    kept = jaxdrop.targeted_dropout(KEY, x, 0.5, target_share=0.5) != 0
    np.testing.assert_array_equal(gradient, kept)
