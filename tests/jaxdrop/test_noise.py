"""Gaussian noise against its closed forms.

Twenty statistics at 4.5 standard errors: under fresh keys a correct implementation would fail one
with a probability below 20 * 6.8e-6 = 1.4e-4.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

import jaxdrop
from jaxdrop.noise import normals, uniforms

KEY = jax.random.key(9)
SIZE = 2**18


def deviation(sample: jax.Array, mean: float, std: float) -> float:
    """How far mean and variance of a normal sample are off, in standard errors."""
    precise = np.asarray(sample, np.float64)
    of_mean = abs(precise.mean() - mean) / (std / np.sqrt(precise.size))
    of_variance = abs(precise.var() / std**2 - 1) / np.sqrt(2 / precise.size)
    return max(of_mean, of_variance)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_gaussian_dropout_has_the_variance_of_dropout(rate: float):
    y = jax.jit(jaxdrop.gaussian_dropout)(KEY, jnp.full(SIZE, 2.0), rate)
    assert deviation(y, 2, 2 * np.sqrt(rate / (1 - rate))) < 4.5


@pytest.mark.parametrize("stddev", [0.1, 3.0])  # above 1 is no error
def test_gaussian_noise_has_the_standard_deviation_asked_for(stddev: float):
    y = jax.jit(jaxdrop.gaussian_noise)(KEY, jnp.full(SIZE, 2.0), stddev)
    assert deviation(y, 2, stddev) < 4.5


def test_the_noise_is_normal():
    """Kolmogorov's distance, whose 99.99 % point is 2.23 / sqrt(n)."""
    sample = np.sort(normals(KEY, jnp.zeros(SIZE), (SIZE,)))
    distance = np.abs(norm.cdf(sample) - (np.arange(SIZE) + 0.5) / SIZE).max()
    assert distance < 2.23 / np.sqrt(SIZE)
    assert np.isfinite(sample).all()


def test_uniform_draws_are_in_the_open_interval_and_of_a_symmetric_set():
    u = uniforms(KEY, jnp.zeros(SIZE), (SIZE,))
    assert 0 < u.min() < u.max() < 1
    np.testing.assert_array_equal((u * 2**24) % 2, np.ones(SIZE))  # odd multiples of 2^-24


def test_a_traced_rate_of_1_or_nan_is_clipped_below_1():
    x, drop = jnp.ones(100), jax.jit(jaxdrop.gaussian_dropout)
    highest = drop(KEY, x, 1 - 2**-24)
    for rate in (1.0, 1.5, np.nan):
        np.testing.assert_array_equal(drop(KEY, x, rate), highest)
    assert jnp.isfinite(highest).all()
    np.testing.assert_array_equal(drop(KEY, x, -0.5), x)


def test_noise_can_be_shared_along_axes():
    x = jnp.ones((3, 8))
    for op in (jaxdrop.gaussian_dropout, jaxdrop.gaussian_noise):
        y = op(KEY, x, 0.5, broadcast_dims=(0,))
        np.testing.assert_array_equal(y, jnp.broadcast_to(y[:1], y.shape))
        assert np.unique(y).size == 8


def test_a_stddev_of_0_or_below_leaves_x():
    x = jnp.array([1e-40, -0.0, jnp.inf, jnp.nan])
    for stddev in (0.0, -1.0, jnp.nan):
        y = jax.jit(jaxdrop.gaussian_noise)(KEY, x, stddev)
        assert np.asarray(y).tobytes() == np.asarray(x).tobytes()
    with pytest.raises(ValueError, match="Expected a stddev"):
        jaxdrop.gaussian_noise(KEY, x, -1.0)
