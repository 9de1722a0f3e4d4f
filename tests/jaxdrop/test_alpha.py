"""Alpha dropout against its closed forms.

Six statistics at 4 standard errors: under fresh keys a correct implementation would fail one with
a probability below 6 * 2 * 6.4e-5 = 8e-4.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(3)
ALPHA = -1.7580993408473766


def constants(rate: float) -> tuple[float, float]:
    """The paper's slope and shift."""
    keep = 1 - rate
    slope = (keep + ALPHA**2 * keep * (1 - keep)) ** -0.5
    return slope, -slope * (1 - keep) * ALPHA


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_alpha_dropout_mean_and_variance_of_normal_data_stay(rate: float):
    x = jax.random.normal(jax.random.key(4), (400_000,))
    y = np.asarray(jax.jit(jaxdrop.alpha_dropout)(KEY, x, rate), np.float64)
    squares = np.square(y - y.mean())
    assert abs(y.mean()) < 4 * y.std() / np.sqrt(y.size)
    assert abs(squares.mean() - 1) < 4 * squares.std() / np.sqrt(y.size)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.95])
def test_alpha_dropout_elements_are_the_papers(rate: float):
    x = jax.random.normal(jax.random.key(5), (500,))
    slope, shift = constants(rate)
    mask = jaxdrop.keep_mask(KEY, rate, x.shape)
    expected = slope * np.where(mask, x, ALPHA) + shift
    np.testing.assert_allclose(jaxdrop.alpha_dropout(KEY, x, rate), expected, rtol=1e-4, atol=1e-5)


def test_alpha_dropout_the_limit_at_rate_1_is_zero():
    x, drop = jnp.ones(1000), jax.jit(jaxdrop.alpha_dropout)
    size = [float(jnp.median(jnp.abs(drop(KEY, x, rate)))) for rate in (0.9, 0.99, 0.999, 1.0)]
    assert size == sorted(size, reverse=True)
    assert size[-2] < 0.05
    assert size[-1] == 0


def test_alpha_dropout_a_dropped_inf_or_nan_does_not_spread():
    x = jnp.array([jnp.inf, jnp.nan, 1.0, -jnp.inf])
    ones = jaxdrop.alpha_dropout(KEY, jnp.ones(4), 0.5)
    y = jaxdrop.alpha_dropout(KEY, x, 0.5)
    kept = np.asarray(jaxdrop.keep_mask(KEY, 0.5, (4,)))
    assert set(kept.tolist()) == {True, False}
    np.testing.assert_array_equal(y[~kept], ones[~kept])


@pytest.mark.parametrize("axes", [{}, {"channel_dim": 1}, {"batch_dim": None}], ids=str)
def test_alpha_dropout_feature_maps_fall_together_to_one_value(axes: dict[str, Any]):
    x = jax.random.normal(jax.random.key(6), (4, 5, 6))
    y = jaxdrop.feature_alpha_dropout(KEY, x, 0.5, **axes)
    kept = jaxdrop.spatial_dropout(KEY, jnp.ones_like(x), 0.5, **axes) != 0
    slope, shift = constants(0.5)
    np.testing.assert_allclose(y, slope * np.where(kept, x, ALPHA) + shift, rtol=1e-4, atol=1e-5)


def test_alpha_dropout_low_precision_is_computed_in_float32():
    x = jax.random.normal(jax.random.key(7), (256,))
    for dtype in (jnp.float16, jnp.bfloat16):
        low = x.astype(dtype)
        drop = partial(jaxdrop.alpha_dropout, KEY, rate=0.3)
        np.testing.assert_array_equal(drop(low), drop(low.astype(jnp.float32)).astype(dtype))
