"""The quality of the bits, on 2^24 draws a test (slow: `python -m pytest -m slow`).

Each statistic is compared at |z| < 5.5, two-sided, and there are fewer than 5,000 of them: under
fresh keys a perfect generator would fail the module with a probability below
5,000 * 3.8e-8 = 2e-4. Keys are fixed, so that a pass is repeatable.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop
from jaxdrop.bits import random_pairs
from jaxdrop.probability import levels, threshold
from tests.jaxdrop.stream import draws

pytestmark = pytest.mark.slow

KEY = jax.random.key(1)
SHAPE = (4096, 4096)
SIZE = 2**24
LIMIT = 5.5
RATES = [0.001, 0.01, 0.03, 0.1, 0.2, 1 / 3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999]

mask_of = jax.jit(
    lambda key, rate, bits=16, shape=SHAPE: jaxdrop.keep_mask(key, rate, shape, bits=bits),
    static_argnames=("bits", "shape"),
)


def realised(rate: float, bits: int) -> float:
    """The keep probability that the bits can give."""
    return int(threshold(jnp.float32(1 - rate), bits)) / levels(bits)


def by_lanes(mask: jax.Array) -> jax.Array:
    """The eight lanes of every pair: here rows, in groups of 64 with a stride of 8."""
    return jnp.moveaxis(mask.reshape(64, 8, 8, 4096), 1, -1).reshape(-1, 8)


def z_of_product(a: jax.Array, b: jax.Array, p: float) -> float:
    """The covariance of two mask's entries, in standard errors under independence."""
    both = int((a & b).sum()) - p * int(a.sum()) - p * int(b.sum()) + p * p * a.size
    return both / (p * (1 - p) * np.sqrt(a.size))


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("rate", RATES)
def test_the_kept_share_is_the_realised_probability(rate: float, bits: int):
    keep = realised(rate, bits)
    kept = int(mask_of(KEY, rate, bits).sum())
    assert abs(kept - keep * SIZE) <= LIMIT * np.sqrt(SIZE * keep * (1 - keep))


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("rate", [0.03, 0.498, 0.95])
def test_neighbours_lanes_and_rows_are_uncorrelated(rate: float, bits: int):
    mask, keep = mask_of(KEY, rate, bits), realised(rate, bits)
    for shift in (1, 2, 3, 4, 5, 6, 7, 8, 16, 64, 512, 2048):
        for axis in (0, 1):
            assert abs(z_of_product(mask, jnp.roll(mask, shift, axis), keep)) < LIMIT


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("rate", [0.03, 0.498, 0.95])
def test_the_eight_lanes_of_a_pair_are_uncorrelated_in_pairs(rate: float, bits: int):
    kept, keep = by_lanes(mask_of(KEY, rate, bits)), realised(rate, bits)
    for i, j in itertools.combinations(range(8), 2):
        assert abs(z_of_product(kept[:, i], kept[:, j], keep)) < LIMIT


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_keys_steps_and_shapes_are_uncorrelated(bits: int):
    rate = 0.498
    keep, mask = realised(rate, bits), mask_of(KEY, rate, bits)
    for other in (jax.random.key(2), jax.random.split(KEY)[0], *map(partial(step, KEY), range(6))):
        assert abs(z_of_product(mask, mask_of(other, rate, bits), keep)) < LIMIT
    other = mask_of(KEY, rate, bits, (4096, 4088))  # other words from the second row of words on
    assert abs(z_of_product(mask[64:, :4088], other[64:], keep)) < LIMIT


def step(key: jax.Array, index: int) -> jax.Array:
    """The key of a training step, the usual way."""
    return jax.random.fold_in(key, index)


@pytest.mark.parametrize("bits", [8, 16])
def test_lanes_fill_their_range_evenly(bits: int):
    """Chi-square over all values, as a z by Wilson and Hilferty."""
    drawn = draws(random_pairs(KEY, (SIZE // 8,), None), bits)
    counts = np.bincount(drawn.ravel(), minlength=2**bits)
    expected, freedom = SIZE / 2**bits, 2**bits - 1
    ratio = (np.square(counts - expected) / expected).sum() / freedom
    z = (np.cbrt(ratio) - (1 - 2 / (9 * freedom))) / np.sqrt(2 / (9 * freedom))
    assert abs(z) < LIMIT


@pytest.mark.parametrize("rate", [0.03, 0.498, 0.95])
def test_joint_moments_of_three_and_four_lanes_are_small(rate: float):
    """The claim of sixteen_bits.py: independent to within 2^-16, and the noise of the sample."""
    kept, keep = np.asarray(by_lanes(mask_of(KEY, rate))), realised(rate, 16)
    centred = kept.astype(np.float32) - np.float32(keep)
    for count in (3, 4):
        noise = LIMIT * (keep * (1 - keep)) ** (count / 2) / np.sqrt(len(centred))
        for chosen in itertools.combinations(range(8), count):
            assert abs(centred[:, chosen].prod(1).mean()) < noise + 2**-16
