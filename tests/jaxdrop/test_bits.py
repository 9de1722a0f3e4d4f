"""The hash against JAX's own, the order of lanes, and the golden masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.random import threefry2x32_p

import jaxdrop
from jaxdrop import bits, swar
from jaxdrop.lanes import Layout

KEY = jax.random.key(11)
SHAPES = [(), (1,), (0,), (3, 0), (7,), (8,), (9,), (5, 24), (2, 3, 5), (4, 1, 3), (2, 2, 2, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_words_are_those_of_jax_random(shape: tuple[int, ...], impl: str):
    key = jax.random.key(3, impl=impl)
    np.testing.assert_array_equal(bits.random_words(key, shape, None), jax.random.bits(key, shape))


@pytest.mark.parametrize("rate", [0.0, 0.067, 0.09, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_32_bits_give_the_mask_of_bernoulli(rate: float):
    for shape in SHAPES:
        ours = jaxdrop.keep_mask(KEY, rate, shape, bits=32)
        np.testing.assert_array_equal(ours, jax.random.bernoulli(KEY, 1 - rate, shape))


def test_32_bits_give_the_mask_of_bernoulli_at_every_per_mille():
    for mille in range(1001):
        ours = jaxdrop.keep_mask(KEY, mille / 1000, (64,), bits=32)
        np.testing.assert_array_equal(ours, jax.random.bernoulli(KEY, 1 - mille / 1000, (64,)))


@pytest.mark.parametrize(
    "shape", [(3, 2**32), (2**17, 2**17), (2**16, 3, 2**17), (2**20, 5, 7, 999)]
)
def test_counters_beyond_32_bits_use_both_words(shape: tuple[int, ...]):
    """The corner farthest from the origin, sliced out of a fused iota, so without the memory."""
    size = np.prod(shape, dtype=np.uint64)
    flat = np.arange(size - np.uint64(4), size, dtype=np.uint64)

    @jax.jit
    def corner() -> bits.Pair:
        places = [lax.iota(jnp.uint32, 4) + jnp.uint32((shape[-1] - 4) % 2**32)]
        lead = [jnp.full(4, n - 1, jnp.uint32) for n in shape[:-1]]
        return bits.hash_pairs(KEY, shape, [*lead, *places])

    k0, k1 = jax.random.key_data(KEY)
    high, low = (flat >> np.uint64(32)).astype(np.uint32), flat.astype(np.uint32)
    expected = threefry2x32_p.bind(*jnp.broadcast_arrays(k0, k1, high, low))
    np.testing.assert_array_equal(jnp.stack(corner()), jnp.stack(expected))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_lanes_are_the_bytes_of_the_words_in_order(shape: tuple[int, ...]):
    layout = Layout(shape)
    first, second = layout.pairs(KEY)
    words = np.stack([first, second], -1).astype("<u4")
    row = words.view(np.uint8).reshape(*layout.pairs_shape[:-1], -1)
    expected = row[..., : layout.folded[-1]].reshape(shape)
    np.testing.assert_array_equal(layout.spread((first, second)), expected)


@pytest.mark.parametrize(
    ("shape", "folded"),
    [((64, 8), (64, 8)), ((64, 7), (448,)), ((2, 3, 2, 2), (2, 12)), ((3,), (3,)), ((), (1,))],
)
def test_only_axes_shorter_than_a_pair_are_folded(shape: tuple[int, ...], folded: tuple[int, ...]):
    assert Layout(shape).folded == folded


def draws(pair: bits.Pair) -> np.ndarray:
    """The 16-bit draws of eight elements, the last axis, by the definition in numpy."""
    own, low = (
        np.stack(words, -1).astype("<u4").view(np.uint8).astype(np.uint16)
        for words in (pair, swar.low_bytes(pair))
    )
    return own << 8 | low


def test_low_bytes_are_exclusive_ors_of_seven_bytes():
    pair = bits.random_pairs(KEY, (50,), None)
    own = np.stack(pair, -1).astype("<u4").view(np.uint8)
    every = np.bitwise_xor.reduce(own, -1)
    left_out = [4, 5, 6, 7, 3, 0, 1, 2]  # which byte each element's low byte leaves out
    np.testing.assert_array_equal(draws(pair) & 0xFF, every[:, None] ^ own[:, left_out])


def test_any_two_draws_of_a_pair_are_independent():
    """As linear maps over GF(2) of the pair's eight bytes, any two draws have full rank, 4."""
    own = np.eye(8, dtype=int)
    low = 1 - own[[4, 5, 6, 7, 3, 0, 1, 2]]
    for i in range(8):
        for j in range(i):
            rows = np.stack([own[i], own[j], low[i], low[j]])
            sums = [np.dot(c, rows) % 2 for c in np.ndindex(2, 2, 2, 2) if any(c)]
            assert all(total.any() for total in sums)


@pytest.mark.parametrize("limit", [0, 1, 77, 255, 256, 257, 0x1234, 0x80FF, 0xFF00, 0xFFFF, 2**16])
def test_settled_bytes_decide_as_the_draws_do(limit: int):
    pair = bits.random_pairs(KEY, (4096,), None)
    settled = swar.settle(pair, jnp.uint32(limit))
    decided = np.stack(settled, -1).astype("<u4").view(np.uint8) < max(limit >> 8, 1)
    np.testing.assert_array_equal(decided, draws(pair) < limit)
