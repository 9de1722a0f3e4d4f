"""From a checked rate to what a mask needs, in float32: keep probability, threshold, scale."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Inexact, UInt32

from jaxdrop.checks import Rate


def keep_probability(rate: Rate) -> Float32[Array, "..."]:
    """The keep probability in [0, 1]; a traced rate is clipped, and a traced NaN keeps nothing."""
    if rate.traced is None:
        return jnp.asarray(rate.keep)
    traced = lax.stop_gradient(rate.traced).astype(jnp.float32)
    return jnp.where(traced <= 1, jnp.clip(1 - traced, 0, 1), 0)


def levels(bits: int) -> int:
    """How many draws are equally likely: at 32 bits as many as `jax.random.uniform` has."""
    return 2 ** (23 if bits == 32 else bits)


def threshold(keep: Float32[Array, "..."], bits: int) -> UInt32[Array, "..."]:
    """Draws below it are kept: 0 only where nothing may be kept, `levels(bits)` where all is."""
    exact = keep * levels(bits)
    nearest = jnp.ceil(exact) if bits == 32 else jnp.round(exact)
    return jnp.where(keep > 0, jnp.maximum(nearest, 1), 0).astype(jnp.uint32)


def rescale(
    x: Inexact[Array, "..."], keep: Float32[Array, "..."], bits: int
) -> Inexact[Array, "..."]:
    """Divides by the realised keep probability; at 32 bits, as Flax does, by the one asked for."""
    narrow = jnp.finfo(x.dtype).bits < 32
    wide = x.astype(jnp.float32) if narrow else x
    if bits == 32:
        scaled = wide / jnp.where(keep > 0, keep, 1)
    else:
        scaled = wide * (levels(bits) / jnp.maximum(threshold(keep, bits), 1).astype(jnp.float32))
    return jnp.where(keep == 1, x, scaled.astype(x.dtype))  # the CPU flushes subnormals
