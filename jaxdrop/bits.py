"""Random lanes from (key, shape): threefry2x32 written out, eight lanes to a word pair.

A lane is the draw of one element. The words lie along the last axis, so a mask is sharded like its
data and no shard's words depend on another's. Written out in integer operations the hash fuses and
vectorises, where `jax.random.bits` runs a loop over whole arrays and hashes 64 bits an element.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Key, UInt8, UInt32

Words = UInt32[Array, "..."]
Pair = tuple[Words, Words]

LANES = 8  # bytes in one hash
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def rotate(word: Words, by: int) -> Words:
    """Rotates to the left."""
    return (word << jnp.uint32(by)) | (word >> jnp.uint32(32 - by))


@jax.jit
def threefry2x32(key: Pair, counter: Pair) -> Pair:
    """Threefry2x32 of 20 rounds (Salmon et al. 2011), as `jax.random` has it."""
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


def _product(word: Words, factor: int) -> Pair:
    """`word * factor` in 64 bits, as a high and a low word."""
    high, low = jnp.uint32(factor >> 32), jnp.uint32(factor & 0xFFFFFFFF)
    w1, w0, f1, f0 = word >> 16, word & 0xFFFF, low >> 16, low & 0xFFFF
    middle = w1 * f0 + (w0 * f0 >> 16)
    middle_low = w0 * f1 + (middle & 0xFFFF)
    return w1 * f1 + (middle >> 16) + (middle_low >> 16) + word * high, word * low


def flat_index(shape: tuple[int, ...], positions: list[Words]) -> Pair:
    """The row-major index of `positions` in an array of this shape, as a high and a low word."""
    high = low = jnp.uint32(0)
    for axis, position in enumerate(positions):
        stride = math.prod(shape[axis + 1 :])
        if math.prod(shape) <= 2**32:
            low = low + position * jnp.uint32(stride)
        else:
            step_high, step_low = _product(position, stride)
            low = low + step_low
            high = high + step_high + (low < step_low)
    return jnp.broadcast_to(high, low.shape), low
