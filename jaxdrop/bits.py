"""Random words from (key, shape): threefry, written out.

In integer operations it fuses and vectorises, where `jax.random.bits` loops over whole arrays.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jaxtyping import Array, Key, UInt32

Words = UInt32[Array, "..."]
Pair = tuple[Words, Words]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def constants(like: Words) -> Callable[[int], Words]:
    """Gives arrays of one number, each made once: compilers pass over every instruction."""
    return cache(partial(jnp.full_like, like))


def rotate(word: Words, by: int, fill: Callable[[int], Words]) -> Words:
    """Rotates to the left."""
    left, right = lax.shift_left(word, fill(by)), lax.shift_right_logical(word, fill(32 - by))
    return lax.bitwise_or(left, right)


@partial(jax.jit, inline=True)  # traced once a shape; XLA would copy a call of it call by call
def threefry2x32(key: Pair, counter: Pair) -> Pair:
    """Threefry2x32 of 20 rounds (Salmon et al. 2011), to the bit as `jax.random` has it."""
    (k0, k1), (x0, x1) = key, counter
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(0x1BD11BDA))
    x0, x1, fill = x0 + k0, x1 + k1, constants(x1)
    for group in range(5):
        for by in _ROTATIONS[group % 2]:
            x0 = lax.add(x0, x1)
            x1 = lax.bitwise_xor(rotate(x1, by, fill), x0)
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + (schedule[(group + 2) % 3] + jnp.uint32(group + 1))
    return x0, x1


def hash_pairs(key: Key[Array, ""], counter: Pair) -> Pair:
    """The word pairs at these counters."""
    k0, k1 = jax.random.key_data(key)
    return threefry2x32((k0, k1), counter)


def flat_index(sizes: Sequence[int | Words], positions: Sequence[Words]) -> Pair:
    """The row-major index in 64 bits, a high and a low word (JAX has no uint64 by default).

    Sizes that are known at run time alone come as words; the high word is then always computed.
    """
    narrow = all(isinstance(n, int) for n in sizes) and math.prod(map(int, sizes)) <= 2**32
    high, low = jnp.uint32(0), positions[0] if positions else jnp.uint32(0)
    for size, position in zip(sizes[1:], positions[1:], strict=True):
        if not narrow:
            high = high * _low_word(size) + _multiply_high(low, size)
        low = low * _low_word(size) + position
        if not narrow:
            high = high + (low < position).astype(jnp.uint32)
    return high, low


def _low_word(size: int | Words) -> Words:
    return jnp.uint32(size & 0xFFFFFFFF) if isinstance(size, int) else size


def _multiply_high(word: Words, factor: int | Words) -> Words:
    """The high word of a 64-bit product, by schoolbook on halves."""
    f1, f0 = (jnp.uint32(factor >> shift & 0xFFFF) for shift in (16, 0))
    w1, w0 = word >> 16, word & 0xFFFF
    middle = w1 * f0 + (w0 * f0 >> 16)
    carry = (w0 * f1 + (middle & 0xFFFF)) >> 16
    whole = word if isinstance(factor, int) and factor == 2**32 else jnp.uint32(0)
    return w1 * f1 + (middle >> 16) + carry + whole


def is_threefry(key: Key[Array, ""]) -> bool:
    """Whether the written-out hash is this key's own generator."""
    return str(jax.random.key_impl(key)) == "threefry2x32"


def random_pairs(
    key: Key[Array, ""], shape: tuple[int, ...], sharding: NamedSharding | None
) -> Pair:
    """Word pairs from any generator: from JAX's own where it is not threefry2x32."""
    if is_threefry(key):
        return hash_pairs(key, counters(shape, sharding))
    words = jax.random.bits(key, (2, math.prod(shape))).reshape(2, *shape)
    return words[0], words[1]


def random_words(
    key: Key[Array, ""], shape: tuple[int, ...], sharding: NamedSharding | None
) -> Words:
    """`jax.random.bits(key, shape)`, to the bit."""
    if not is_threefry(key):
        words = jax.random.bits(key, shape)
        return words if sharding is None else jax.sharding.reshard(words, sharding)
    first, second = hash_pairs(key, counters(shape, sharding))
    return first ^ second


def counters(shape: tuple[int, ...], sharding: NamedSharding | None) -> Pair:
    """The row-major index of each element, sharded like the elements."""
    return flat_index(sizes(shape), positions(shape, sharding))


def sizes(shape: tuple[int, ...]) -> list[int | Words]:
    """Sizes as numbers; symbolic ones, in an exported program, as what they are when it runs."""
    return [n if isinstance(n, int) else jnp.asarray(n).astype(jnp.uint32) for n in shape]


def positions(shape: tuple[int, ...], sharding: NamedSharding | None) -> list[Words]:
    """The index of each element along each axis, sharded like the elements."""
    iota = partial(lax.broadcasted_iota, jnp.uint32, shape, out_sharding=sharding)
    return [iota(axis) for axis in range(len(shape))]


def in_a_branch(draw: Callable[[], Array]) -> Array:
    """Evaluates `draw` apart from what reads its words, which would else hash for every lane.

    This is the way of a CPU: there a barrier is gone before fusion, and a conditional stays.
    """

    def zeros() -> Array:  # of the same sharding and varying axes; XLA drops the draw
        return jnp.zeros_like(draw())

    return lax.cond(lax.optimization_barrier(jnp.bool_(True)), draw, zeros)
