"""How many of so many things a share of them is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Int32

from jaxdrop.checks import check_known
from jaxdrop.probability import align, at_least_float32

_SLACK = 1e-9  # relative: of a share in float64, for instance of 1 - 0.9
_LAST_PLACES = 2  # of a shorter share: one for its own rounding, one for its product's

Rule = Callable[[Any, int], Any]  # of a share and how many there are, in NumPy or JAX


class Count(NamedTuple):
    """How many there are: `known` where the share could be read, else the `unread` share."""

    known: Int32[np.ndarray, "..."] | None
    unread: Array | None


def nearest(share: Any, size: int) -> Any:
    """The nearest whole number, of two the even one, to the last digit, as Python's `round`."""
    return _product(share, size).round()


def whole(share: Any, size: int) -> Any:
    """What lies within the slack of a whole number is that number, else it is rounded down."""
    product = _product(share, size)
    digits = share.dtype if jnp.issubdtype(share.dtype, jnp.floating) else product.dtype
    slack = max(_SLACK, _LAST_PLACES * float(jnp.finfo(digits).eps))
    near = product.round()
    return near - (near - product > slack * near).astype(near.dtype)


def _product(share: Any, size: int) -> Any:
    """In the share's own precision, float32 at least."""
    wide = share.astype(at_least_float32(share.dtype))
    return wide * wide.dtype.type(check_known("an axis to count along", size))


def count_if_known(share: ArrayLike, size: int, rule: Rule) -> Count:
    """Counts at once where the share can be read, with all the digits that it has."""
    if isinstance(share, Tracer):
        return Count(None, share)
    return Count(count_known(share, size, rule), None)


def count_known(share: ArrayLike, size: int, rule: Rule) -> Int32[np.ndarray, "..."]:
    """The count of a share that can be read."""
    return np.asarray(rule(np.asarray(share), size), np.int32)


def count(asked: Count, size: int, rule: Rule, rank: int) -> Int32[Array, "..."]:
    """The count, one or an array of this rank; an unread share is clipped, and NaN is all."""
    if asked.unread is None:
        return align(jnp.asarray(asked.known), rank)
    share = lax.stop_gradient(asked.unread)
    clipped = jnp.where(share <= 1, jnp.clip(share, 0, 1), jnp.ones((), share.dtype))
    return align(rule(clipped, size).astype(jnp.int32), rank)
