"""The one law table: every operator is a row, and test_laws.py runs each law over all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
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


# Paths, weights, sequences, attention.

FEW = frozenset({"array rate", "almost 1"})  # rates of shape (n, 1, ...); at most eight draws


def lifted(op: Operator, rank: int, *, leading: bool = False, **options: Any) -> Operator:
    """The operator on data of any rank, by axes of size 1 after the others, or before them."""

    bound = partial(op, **options)

    @wraps(bound)
    def run(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
        ones = (1,) * (rank - jnp.ndim(x))
        if jnp.ndim(x) and not isinstance(rate, str | None) and jnp.ndim(rate) and not leading:
            rate = jnp.reshape(rate, (*jnp.shape(rate), *ones))
        shape = (*ones, *jnp.shape(x)) if leading else (*jnp.shape(x), *ones)
        return bound(key, jnp.reshape(x, shape), rate).reshape(jnp.shape(x))

    return run


def zoned(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
    """Zoneout where the previous state is 0, so that what it keeps looks dropped."""
    return jaxdrop.zoneout(key, jnp.zeros_like(x), x, rate)


TABLE |= {
    "drop_path": Row(lifted(jaxdrop.drop_path, 1), tied=(1,), exempt=FEW),
    # Without its scale the mean is the keep probability times x.
    "drop_path-unscaled": Row(
        lifted(jaxdrop.drop_path, 1, leading=True, batch_dim=-1, scale=False),
        tied=(0,),
        exempt=frozenset({"mean"}),
    ),
    # Rates are per example; something stays only where a whole block has no seed; the mean holds
    # per example.
    "drop_block": Row(lifted(jaxdrop.drop_block, 3, block_size=2), exempt=FEW | {"mean"}),
    # Issue 4 names its data `weights`.
    "drop_connect": Row(jaxdrop.drop_connect, exempt=frozenset({"signature"})),
    # Issue 4 names its data `table`.
    "embedding_dropout": Row(
        lifted(jaxdrop.embedding_dropout, 2), tied=(1,), exempt=FEW | {"signature"}
    ),
    "locked_dropout": Row(lifted(jaxdrop.locked_dropout, 2, leading=True, time_dim=-2), tied=(0,)),
    # What is not taken over keeps the previous state: nothing is rescaled.
    "zoneout": Row(zoned, exempt=frozenset({"mean"})),
    "token_dropout": Row(lifted(jaxdrop.token_dropout, 2), tied=(1,), exempt=FEW),
    # Issue 4 names its data `weights`.
    "attention_dropout": Row(
        lifted(jaxdrop.attention_dropout, 2, leading=True), exempt=frozenset({"signature"})
    ),
}
