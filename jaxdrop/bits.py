"""Random words from (key, shape), one 64-bit hash for the lanes of eight elements.

Words lie along the last axis, so a mask is sharded like its data and no shard's words depend on
another's. The hash is written out in integer operations because these fuse and vectorise, where
`jax.random.bits` loops over whole arrays and spends 64 bits on an element.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jaxtyping import Array, Complex64, Key, UInt32

Words = UInt32[Array, "..."]
Pair = tuple[Words, Words]
Drawn = TypeVar("Drawn")

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def rotate(word: Words, by: int) -> Words:
    """Rotates to the left."""
    return (word << jnp.uint32(by)) | (word >> jnp.uint32(32 - by))


@jax.jit  # a function of its own, so that a model of many sites traces it once a shape
def threefry2x32(key: Pair, counter: Pair) -> Pair:
    """Threefry2x32 of 20 rounds (Salmon et al. 2011), to the bit as `jax.random` has it."""
    (k0, k1), (x0, x1) = key, counter
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(0x1BD11BDA))
    x0, x1 = x0 + k0, x1 + k1
    for group in range(5):
        for by in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = rotate(x1, by) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1


def hash_pairs(key: Key[Array, ""], shape: tuple[int, ...], positions: list[Words]) -> Pair:
    """The word pairs of an array of `shape` pairs, at these positions along each of its axes."""
    k0, k1 = jax.random.key_data(key)
    high, low = flat_index(shape, positions)
    return threefry2x32((k0, k1), (jnp.broadcast_to(high, low.shape), low))


def flat_index(shape: tuple[int, ...], positions: list[Words]) -> Pair:
    """The row-major index in 64 bits, a high and a low word (JAX has no uint64 by default)."""
    high = low = jnp.uint32(0)
    for axis, position in enumerate(positions):
        stride = math.prod(shape[axis + 1 :])
        step = position * jnp.uint32(stride & 0xFFFFFFFF)
        low = low + step
        if math.prod(shape) > 2**32:
            high = high + _multiply_high(position, stride) + (low < step).astype(jnp.uint32)
    return high, low


def _multiply_high(word: Words, factor: int) -> Words:
    """The high word of a 64-bit product, by schoolbook on halves."""
    f1, f0 = (jnp.uint32(factor >> shift & 0xFFFF) for shift in (16, 0))
    w1, w0 = word >> 16, word & 0xFFFF
    middle = w1 * f0 + (w0 * f0 >> 16)
    carry = (w0 * f1 + (middle & 0xFFFF)) >> 16
    return w1 * f1 + (middle >> 16) + carry + word * jnp.uint32(factor >> 32)


def is_threefry(key: Key[Array, ""]) -> bool:
    """Whether the written-out hash is this key's own generator."""
    return str(jax.random.key_impl(key)) == "threefry2x32"


def random_pairs(
    key: Key[Array, ""], shape: tuple[int, ...], sharding: NamedSharding | None
) -> Pair:
    """Word pairs from any generator: from JAX's own where it is not threefry2x32."""
    if is_threefry(key):
        return hash_pairs(key, shape, positions(shape, sharding))
    words = jax.random.bits(key, (2, *shape))
    return words[0], words[1]


def random_words(
    key: Key[Array, ""], shape: tuple[int, ...], sharding: NamedSharding | None
) -> Words:
    """`jax.random.bits(key, shape)`, to the bit."""
    if not is_threefry(key):
        words = jax.random.bits(key, shape)
        return words if sharding is None else jax.sharding.reshard(words, sharding)
    first, second = hash_pairs(key, shape, positions(shape, sharding))
    return first ^ second


def positions(shape: tuple[int, ...], sharding: NamedSharding | None) -> list[Words]:
    """The index of each element along each axis, sharded like the elements."""
    iota = partial(lax.broadcasted_iota, jnp.uint32, shape, out_sharding=sharding)
    return [iota(axis) for axis in range(len(shape))]


def once(draw: Callable[[], Drawn]) -> Drawn:
    """Evaluates `draw`, which returns pairs, in a loop of its own.

    Left alone, XLA fuses the hash into whatever reads its words, and evaluates it for every lane
    again. A barrier stops that, but not on CPU, where it is gone before fusion; a conditional
    stays. A CPU loop has one output, and would hash once for each word of a pair: the pair leaves
    it as one complex number, which is moved and never calculated with.
    """
    draw = jax.jit(draw)  # traced once for all branches

    def drawn() -> Any:
        return jax.tree.map(_as_one, draw(), is_leaf=_is_pair)

    def zeros() -> Any:  # of the same shape, sharding and varying axes; XLA drops the draw
        return jax.tree.map(lambda pairs: jnp.zeros_like(pairs), drawn())

    def on_cpu() -> Drawn:
        pairs = lax.cond(lax.optimization_barrier(jnp.bool_(True)), drawn, zeros)
        return jax.tree.map(_as_two, pairs)

    return lax.platform_dependent(cpu=on_cpu, default=lambda: lax.optimization_barrier(draw()))


def _is_pair(tree: Any) -> bool:
    return isinstance(tree, tuple) and isinstance(tree[0], Array)


def _as_one(pair: Pair) -> Complex64[Array, "..."]:
    return lax.complex(*(lax.bitcast_convert_type(word, jnp.float32) for word in pair))


def _as_two(pairs: Complex64[Array, "..."]) -> Pair:
    first, second = lax.real(pairs), lax.imag(pairs)
    bitcast = partial(lax.bitcast_convert_type, new_dtype=jnp.uint32)
    return bitcast(first), bitcast(second)
