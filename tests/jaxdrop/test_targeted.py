"""Targets are the least in magnitude, and fall at their rate.

A chi-square test at its 1 - 1e-5 point: a false alarm in 1e-5 of fresh keys.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(21)


@pytest.mark.parametrize(("axis", "share"), [(0, 0.3), (1, 0.5), (-1, 0.29), (0, 1.0), (1, 0.0)])
def test_targeted_dropout_targets_are_the_share_of_least_magnitude(axis: int, share: float):
    x = np.array(jax.random.normal(jax.random.key(1), (20, 100)))
    y = jaxdrop.targeted_dropout(KEY, jnp.asarray(x), 1.0, target_share=share, axis=axis)
    expected, count = x.copy(), round(share * x.shape[axis])
    least = np.argsort(np.abs(x), axis)
    np.put_along_axis(expected, np.take(least, np.arange(count), axis), 0, axis)
    np.testing.assert_array_equal(y, expected)


def test_targeted_dropout_targets_fall_at_the_rate_and_others_stay():
    """Chi-square with one degree of freedom on 50,000 targets."""
    x = jax.random.normal(jax.random.key(2), (1000, 100))
    y = jax.jit(lambda x: jaxdrop.targeted_dropout(KEY, x, 0.3, target_share=0.5))(x)
    gone = np.asarray(y == 0)
    np.testing.assert_array_equal(y[~gone], x[~gone])
    assert (np.abs(x) > np.median(np.abs(x), -1, keepdims=True))[gone].sum() == 0
    assert (gone.sum() - 15_000) ** 2 / (50_000 * 0.3 * 0.7) < 19.5


def test_targeted_dropout_units_compete_by_their_norm_and_fall_whole():
    weights = jnp.array([[3.0, 0.1, -1.0], [-3.0, 4.0, 1.0]])  # norms 4.2, 4.0, 1.4
    y = jaxdrop.targeted_dropout(KEY, weights, 1.0, target_share=0.67, broadcast_dims=(0,))
    np.testing.assert_array_equal(y, weights * jnp.array([[1.0, 0.0, 0.0]]))


def test_targeted_dropout_scaled_targets_keep_their_mean():
    x = jnp.array([3.0, -0.1, 2.0, 0.2])
    y = jaxdrop.targeted_dropout(KEY, x, 0.5, target_share=0.5, scale=True)
    assert set(np.asarray(y / x).tolist()) <= {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(y[::2], x[::2])


def test_targeted_dropout_the_share_may_be_traced():
    x = jax.random.normal(jax.random.key(3), (8, 50))
    prune = jax.jit(lambda share: jaxdrop.targeted_dropout(KEY, x, 1.0, target_share=share))
    for share in (0.0, 0.3, 1.0):
        np.testing.assert_array_equal((prune(share) == 0).sum(-1), np.full(8, round(share * 50)))


def test_targeted_dropout_the_gradient_is_that_of_the_mask():
    x = np.random.default_rng(4).normal(size=(5, 24)).astype(np.float32)
    drop = lambda x: jaxdrop.targeted_dropout(KEY, x, 0.5, target_share=0.5)  # noqa: E731
    y, gradient = jax.jit(lambda x: (drop(x), jax.grad(lambda x: drop(x).sum())(x)))(x)
    np.testing.assert_array_equal(gradient, np.asarray(y) != 0)
