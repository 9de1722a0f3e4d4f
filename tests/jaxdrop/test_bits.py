"""The hash against JAX's own, the order of lanes, and the golden masks."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.random import threefry2x32_p

import jaxdrop
from jaxdrop import bits, sixteen_bits
from jaxdrop.lanes import Layout
from tests.jaxdrop.stream import draws

KEY = jax.random.key(11)
SHAPES = [(), (1,), (0,), (3, 0), (7,), (8,), (9,), (5, 24), (2, 3, 5), (4, 1, 3), (2, 2, 2, 2, 2)]


WORDS = [(shape, "threefry2x32") for shape in SHAPES] + [((), "rbg"), ((5, 24), "rbg")]


@pytest.mark.parametrize(("shape", "impl"), WORDS, ids=str)
def test_words_are_those_of_jax_random(shape: tuple[int, ...], impl: str):
    @jax.jit  # one program
    def both(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        return bits.random_words(key, shape, None), jax.random.bits(key, shape)

    np.testing.assert_array_equal(*both(jax.random.key(3, impl=impl)))


@pytest.mark.parametrize("rate", [0.0, 0.067, 0.09, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_32_bits_give_the_mask_of_bernoulli(rate: float):
    for shape in SHAPES[::3]:
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
        return bits.hash_pairs(KEY, bits.flat_index(shape, [*lead, *places]))

    k0, k1 = jax.random.key_data(KEY)
    high, low = (flat >> np.uint64(32)).astype(np.uint32), flat.astype(np.uint32)
    expected = threefry2x32_p.bind(*jnp.broadcast_arrays(k0, k1, high, low))
    np.testing.assert_array_equal(corner(), expected)


# The axis of the lanes (None: all axes as one) and its stride: every case of the rule.
RULE = {
    (): (None, 1),
    (7,): (None, 1),
    (3, 5): (None, 1),
    (2, 3, 5, 7): (None, 1),
    (0,): (None, 1),
    (1023,): (0, 1),
    (1024,): (0, 128),
    (5000,): (0, 128),
    (2, 100): (1, 1),
    (2, 5000): (1, 128),
    (8, 0): (0, 1),
    (8, 3): (0, 1),
    (1000, 3): (0, 1),
    (1024, 3): (0, 8),
    (1536, 2): (0, 1),
    (12288, 2): (0, 8),
    (9, 2048, 2): (1, 8),
    (20, 1, 4): (0, 1),
    (11, 7, 7, 3): (0, 1),
    (2, 9, 1, 4): (1, 1),
    (2, 1, 7, 90): (3, 1),
}


def words_and_lanes(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Each element's word and lane: the rule in numpy."""
    axis, stride = RULE[shape]
    folded, axis = ((np.prod(shape, dtype=int),), 0) if axis is None else (shape, axis)
    places = list(np.indices(folded))
    lanes = places[axis] // stride % 8
    places[axis] = places[axis] // (8 * stride) * stride + places[axis] % stride
    rows = -(-folded[axis] // (8 * stride)) * stride
    counts = (*folded[:axis], rows, *folded[axis + 1 :])
    words = np.zeros(folded, int)
    for count, place in zip(counts, places, strict=True):
        words = words * count + place
    return words.reshape(shape), lanes.reshape(shape)


@functools.cache
def drawn_by(width: int) -> np.ndarray:
    """The draws of the lanes of the first pairs, more than any shape has."""
    return draws(jax.jit(lambda: bits.random_pairs(KEY, (20_000,), None))(), width)


WIDTHS = [(shape, 16) for shape in RULE] + [(shape, 8) for shape in [*RULE][::7]]


@pytest.mark.parametrize(("shape", "width"), WIDTHS, ids=str)
def test_masks_follow_the_rule_and_the_definition_of_a_draw(shape: tuple[int, ...], width: int):
    words, lanes = words_and_lanes(shape)
    for rate in (0.03, 0.3, 0.5, 0.9):
        mask = jaxdrop.keep_mask(KEY, rate, shape, bits=width)
        limit = round(float(np.float32(1 - rate)) * 2**width)
        np.testing.assert_array_equal(mask, drawn_by(width)[words, lanes] < limit)


def test_the_rule_is_what_the_layout_says_and_each_element_can_find_its_word():
    layouts = [Layout(shape) for shape in RULE]
    assert [(layout.axes[0], layout.stride) for layout in layouts] == [*RULE.values()]
    places = jax.jit(lambda: [layout.place() for layout in layouts])()  # one program
    for shape, ((high, low), lane) in zip(RULE, places, strict=True):
        words, lanes = words_and_lanes(shape)
        np.testing.assert_array_equal(low, words)
        np.testing.assert_array_equal(lane, lanes)
        assert not np.any(high)


@pytest.mark.parametrize("shape", [(3, 5), (1000, 3), (1024, 3), (2, 5000), (2, 9, 1, 4)], ids=str)
def test_rates_along_the_lanes_drop_each_element_as_its_own_rate_would(shape: tuple[int, ...]):
    rates = np.random.default_rng(0).choice([0, 0.002, 0.3, 0.5, 0.996, 1], shape)
    mask = np.asarray(jaxdrop.keep_mask(KEY, rates, shape))
    for rate in np.unique(rates):
        alone = np.asarray(jaxdrop.keep_mask(KEY, rate, shape))
        np.testing.assert_array_equal(mask[rates == rate], alone[rates == rate])


@functools.cache
def pairs() -> bits.Pair:
    """Some pairs."""
    return jax.jit(lambda: bits.random_pairs(KEY, (4096,), None))()


def test_low_bytes_are_exclusive_ors_of_seven_bytes():
    pair = pairs()
    drawn = draws(pair, 16)
    own = drawn >> 8
    every = np.bitwise_xor.reduce(own, -1)
    # Lane e is byte e // 2 of word e % 2; which lane each one's low byte leaves out:
    np.testing.assert_array_equal(drawn & 0xFF, every[:, None] ^ own[:, LEFT_OUT])


LEFT_OUT = [1, 6, 3, 0, 5, 2, 7, 4]


def test_any_two_draws_of_a_pair_are_independent():
    """As linear maps over GF(2) of the pair's eight bytes, any two draws have full rank, 4."""
    own = np.eye(8, dtype=int)
    low = 1 - own[LEFT_OUT]
    for i in range(8):
        for j in range(i):
            rows = np.stack([own[i], own[j], low[i], low[j]])
            sums = [np.dot(c, rows) % 2 for c in np.ndindex(2, 2, 2, 2) if any(c)]
            assert all(total.any() for total in sums)


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize(
    "limit", [0, 1, 77, 127, 128, 255, 256, 257, 0x1234, 0x7FFF, 0x80FF, 0xFF00, 0xFFFF, 2**16]
)
def test_dropped_bits_decide_as_the_draws_do(limit: int, width: int):
    if limit > 2**width:
        pytest.skip("no limit of so few bits")
    words = np.asarray(decided_by(width)(pairs(), np.uint32(limit)))
    decided = words[:, None] >> (4 * np.arange(8) + 3) & 1
    np.testing.assert_array_equal(decided, draws(pairs(), width) >= limit)
    assert not np.any(words & 0x77777777)


@functools.cache
def decided_by(width: int) -> Callable[[bits.Pair, np.uint32], jax.Array]:
    """The words that say what is dropped."""
    bounds = functools.partial(sixteen_bits.bounds, bits=width)
    return jax.jit(lambda pair, limit: sixteen_bits.dropped(pair, bounds([limit]), width))
