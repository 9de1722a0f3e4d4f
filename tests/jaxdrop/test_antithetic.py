"""Pairs of masks make up for one another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(13)


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.7, 1.0])
def test_a_pair_overlaps_as_little_as_its_rate_allows(rate: float, bits: int):
    first, second = jaxdrop.complementary_masks(KEY, rate, (40, 50), bits=bits)
    np.testing.assert_array_equal(first, jaxdrop.keep_mask(KEY, rate, (40, 50), bits=bits))
    if rate <= 0.5:
        assert (first | second).all()
    if rate >= 0.5:
        assert not (first & second).any()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.7])
def test_the_second_is_a_mask_of_the_same_rate(rate: float):
    """At 4.5 standard errors: a false alarm in 2e-5 of fresh keys."""
    _, second = jax.jit(lambda key: jaxdrop.complementary_masks(key, rate, (1000, 200)))(KEY)
    assert abs(second.mean() - (1 - rate)) < 4.5 * np.sqrt(rate * (1 - rate) / second.size)


def test_at_one_half_the_pair_averages_to_x():
    x = jax.random.normal(jax.random.key(1), (30, 40))
    pair = [
        jaxdrop.apply_mask(mask, x, 0.5) for mask in jaxdrop.complementary_masks(KEY, 0.5, x.shape)
    ]
    np.testing.assert_array_equal((pair[0] + pair[1]) / 2, x)


def test_tied_axes_and_array_rates():
    rates = jnp.array([0.0, 0.5, 1.0])
    for mask in jaxdrop.complementary_masks(KEY, rates, (5, 3), broadcast_dims=(0,)):
        assert mask.shape == (5, 3)
        np.testing.assert_array_equal(mask, jnp.broadcast_to(mask[:1], (5, 3)))
        assert (bool(mask[0, 0]), bool(mask[0, 2])) == (True, False)
