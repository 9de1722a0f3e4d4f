"""The one law table: every operator is a row, and test_laws.py runs each law over all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import jaxdrop

Operator = Callable[..., jax.Array]  # (key, x, rate) -> y


@dataclass(frozen=True)
class Row:
    """An operator with its options bound, and the laws that its definition exempts it from."""

    op: Operator
    bits: int = 16
    tied: tuple[int, ...] = ()  # axes that share the mask
    exempt: frozenset[str] = frozenset()


def replayed(key: jax.Array, x: jax.Array, rate: jax.Array, **options: Any) -> jax.Array:
    """Dropout in its two halves: a mask drawn as a value, then applied."""
    mask = jaxdrop.keep_mask(key, rate, jnp.shape(x), **options)
    return jaxdrop.apply_mask(mask, x, rate, **options)


def tied(key: jax.Array, x: jax.Array, rate: jax.Array, **options: Any) -> jax.Array:
    """Dropout with one draw for the whole first axis."""
    return jaxdrop.dropout(key, x, rate, broadcast_dims=(0,) if jnp.ndim(x) > 1 else (), **options)


TABLE = {
    "dropout": Row(jaxdrop.dropout),
    "dropout-8": Row(partial(jaxdrop.dropout, bits=8), bits=8),
    "dropout-32": Row(partial(jaxdrop.dropout, bits=32), bits=32),
    "dropout-tied": Row(tied, tied=(0,)),
    "keep_mask-apply_mask": Row(replayed, exempt=frozenset({"residuals"})),  # the mask is a value
    "keep_mask-apply_mask-8": Row(
        partial(replayed, bits=8), bits=8, exempt=frozenset({"residuals"})
    ),
}
