"""From a checked rate to what a mask needs, in float32: keep probability, threshold, scale."""

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float32, Inexact, UInt32

from jaxdrop.checks import Rate


def keep_probability(rate: Rate, rank: int) -> Float32[Array, "..."]:
    """The keep probability in [0, 1]: one, or an array of this rank.

    A rate that could not be read is clipped, and NaN keeps nothing.
    """
    if rate.unread is None:
        keep = jnp.asarray(rate.keep)
    else:
        unread = jnp.asarray(lax.stop_gradient(rate.unread), jnp.float32)
        keep = jnp.where(unread <= 1, jnp.clip(1 - unread, 0, 1), 0)
    return align(keep, rank)


def align(array: Array, rank: int) -> Array:
    """One number as it is, or an array with leading axes of size 1 up to this rank."""
    return lax.expand_dims(array, range(rank - array.ndim)) if array.ndim else array


def levels(bits: int) -> int:
    """How many draws are equally likely: at 32 bits as many as `jax.random.uniform` has."""
    return 2 ** (23 if bits == 32 else bits)


def threshold(keep: Float32[Array, "..."], bits: int) -> UInt32[Array, "..."]:
    """Draws below it are kept: 0 only where nothing may be kept, `levels(bits)` where all is."""
    exact = keep * levels(bits)
    nearest = jnp.ceil(exact) if bits == 32 else jnp.round(exact)
    return jnp.where(keep > 0, jnp.maximum(nearest, 1), 0).astype(jnp.uint32)


def rescale(x: Inexact[Array, "..."], keep: Float32[Array, "..."], bits: int) -> Array:
    """Divides by the realised keep probability; at 32 bits, as Flax does, by the one asked for."""
    if jnp.iscomplexobj(x):
        return lax.complex(rescale(x.real, keep, bits), rescale(x.imag, keep, bits))
    wide = widen(x)
    if bits == 32:
        scaled = wide / jnp.where(keep > 0, keep, 1).astype(wide.dtype)
    else:
        share = jnp.where(keep > 0, realised(keep, bits), 1)
        scaled = wide * (1 / share).astype(wide.dtype)
    return jnp.where(keep == 1, x, scaled.astype(x.dtype))  # the CPU flushes subnormals


def shrink(x: Inexact[Array, "..."], keep: Float32[Array, "..."]) -> Inexact[Array, "..."]:
    """Multiplies by the keep probability."""
    if jnp.iscomplexobj(x):
        return lax.complex(shrink(x.real, keep), shrink(x.imag, keep))
    wide = widen(x)
    return jnp.where(keep == 1, x, (wide * keep.astype(wide.dtype)).astype(x.dtype))


def realised(keep: Float32[Array, "..."], bits: int) -> Float32[Array, "..."]:
    """The keep probability that this number of bits gives."""
    return threshold(keep, bits).astype(jnp.float32) / levels(bits)


def widen(x: Array) -> Inexact[Array, "..."]:
    """Data in the type that they are computed in, float32 at least."""
    return x.astype(at_least_float32(x.dtype))


def at_least_float32(dtype: DTypeLike) -> DTypeLike:
    """The dtype in which arithmetic on this one is done."""
    narrow = not jnp.issubdtype(dtype, jnp.inexact) or jnp.finfo(dtype).bits < 32
    return jnp.float32 if narrow else dtype
