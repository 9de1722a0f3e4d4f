"""Differences of training steps, exact where float32 is not: whole steps have 64 bits."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float32, UInt32

from jaxdrop import checks

Steps = np.ndarray | Array
Words = tuple[UInt32[Steps, "..."], UInt32[Steps, "..."]]


def steps_before(limit: ArrayLike, step: ArrayLike) -> Float32[Array, "..."]:
    """How many steps are left to the limit, 0 from it on; the last one is never lost."""
    limit, step = checks.check_real("limit", limit), checks.check_real("step", step)
    if _is_whole(limit) and _is_whole(step):
        return _difference(_words(limit), _words(step))
    if isinstance(limit, np.ndarray) and isinstance(step, np.ndarray):
        left = np.maximum(limit.astype(np.float64) - step.astype(np.float64), 0)
        return jnp.asarray(left, jnp.float32)
    return jnp.maximum(_real(limit) - _real(step), 0).astype(jnp.float32)


def _is_whole(steps: Steps) -> bool:
    """Whether these are integers, or floats known to have the value of one."""
    if isinstance(steps, np.ndarray):
        return bool((steps % 1 == 0).all())  # not so for inf
    return jnp.issubdtype(steps.dtype, jnp.integer)


def _real(steps: Steps) -> Array:
    return jnp.asarray(steps).astype(float)  # float64 where JAX has it


def _words(steps: Steps) -> Words:
    """The high and the low 32 bits; steps below 0 count as 0."""
    if isinstance(steps, np.ndarray):
        steps = np.maximum(steps, 0).astype(np.uint64)
        return (steps >> np.uint64(32)).astype(np.uint32), steps.astype(np.uint32)
    steps = jnp.maximum(steps, 0)
    high = steps >> 32 if steps.dtype.itemsize == 8 else jnp.zeros_like(steps)
    return high.astype(jnp.uint32), steps.astype(jnp.uint32)


@jax.jit
def _difference(limit: Words, step: Words) -> Float32[Array, "..."]:
    (high, low), (own_high, own_low) = limit, step
    borrow = (low < own_low).astype(jnp.uint32)
    left = (high - own_high - borrow, low - own_low)
    is_left = (high > own_high) | ((high == own_high) & (low > own_low))
    float_high, float_low = (word.astype(jnp.float32) for word in left)
    return jnp.where(is_left, float_high * 2.0**32 + float_low, 0)
