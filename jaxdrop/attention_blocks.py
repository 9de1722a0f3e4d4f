"""A block of queries and keys: what its queries see, and which of its weights are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Float32, Int, Key, UInt32

from jaxdrop.lanes import Layout
from jaxdrop.parts import Part


@dataclass(frozen=True)
class Plan:
    """What fixes the compiled program."""

    keys: int
    sizes: tuple[int, int]
    """Queries and keys of a block."""
    heads: tuple[int, int, int]
    """Batch, heads of keys, and heads of queries for each of them."""
    drawn: tuple[int, ...]
    """The shape of the mask, tied axes at size 1."""
    bits: int
    scale: float
    is_causal: bool
    window: tuple[int, int] | None
    """How many keys a query sees to its left and to its right."""
    precision: Any
    dtype: Any
    """That of the data."""

    @property
    def rows(self) -> tuple[int, int]:
        """Heads of keys of all examples, and for each the queries of a block, of all its heads."""
        batch, heads, of_each = self.heads
        return batch * heads, of_each * self.sizes[0]

    def merged(self, array: Array) -> Array:
        """(#B, #N, #rows, #columns), to meet the logits of a block."""
        if array.shape[:3] == (1, 1, 1):
            return array[0]
        (batch, heads, of_each), tied = self.heads, array.shape[3]
        whole = (batch, heads * of_each, self.sizes[0], tied)
        return jnp.broadcast_to(array, whole).reshape(*self.rows, tied)


class Drop(NamedTuple):
    """Which weights are dropped; `mask` is there for generators that draw no part alone."""

    key: Key[Array, ""]
    limit: UInt32[Array, "..."]
    scale: Float32[Array, "..."]
    mask: Bool[Array, "#B #N #T #S"] | None

    @property
    def scale_varies(self) -> bool:
        """Whether keys of one query have scales of their own; else a row is scaled once."""
        return self.scale.ndim > 0 and self.scale.shape[-1] > 1


class Given(NamedTuple):
    """What is not differentiated."""

    drop: Drop | None
    mask: Bool[Array, "#B #N #T #S"] | None
    query_lengths: Int[Array, " B"] | None
    key_lengths: Int[Array, " B"] | None


class Block(NamedTuple):
    """Which block it is of a plan, by the numbers of its queries and of its keys."""

    plan: Plan
    given: Given
    at: tuple[Array, Array]

    @property
    def first(self) -> tuple[Array, Array]:
        """Its first query and its first key."""
        (i, j), (rows, columns) = self.at, self.plan.sizes
        return i * rows, j * columns

    def cut(self, array: Array) -> Array:
        """The block of an array of full size, whose tied axes have size 1."""
        for axis, first, size in zip((2, 3), self.first, self.plan.sizes, strict=True):
            if array.shape[axis] > 1:
                array = lax.dynamic_slice_in_dim(array, first, size, axis)
        return array

    def merged(self, array: Array) -> Array:
        """The block of an array of full size, to meet the logits."""
        return self.plan.merged(self.cut(array))

    def seen(self) -> Bool[Array, "#B #N #rows #columns"] | None:
        """Which keys each query sees; None where all do."""
        plan, given, (first, first_key) = self.plan, self.given, self.first
        rows = first + lax.broadcasted_iota(jnp.int32, (1, 1, plan.sizes[0], 1), 2)
        columns = first_key + lax.broadcasted_iota(jnp.int32, (1, 1, 1, plan.sizes[1]), 3)
        seen = [columns < plan.keys] if plan.keys % plan.sizes[1] else []
        if plan.is_causal:
            seen.append(columns <= rows)
        if plan.window is not None:
            seen += [columns >= rows - plan.window[0], columns <= rows + plan.window[1]]
        if given.query_lengths is not None:
            seen.append(rows < given.query_lengths[:, None, None, None])
        if given.key_lengths is not None:
            seen.append(columns < given.key_lengths[:, None, None, None])
        if given.mask is not None:
            seen.append(self.cut(given.mask))
        return reduce(jnp.logical_and, seen) if seen else None

    def sees_some(self) -> Bool[Array, ""] | None:
        """Whether some query may see some key, as far as positions tell; None if they all do."""
        plan, given, (row, column) = self.plan, self.given, self.first
        last_row, last_column = row + plan.sizes[0] - 1, column + plan.sizes[1] - 1
        some = [column <= last_row] if plan.is_causal else []
        if plan.window is not None:
            some += [last_column >= row - plan.window[0], column <= last_row + plan.window[1]]
        if given.query_lengths is not None:
            some.append(row < given.query_lengths.max())
        if given.key_lengths is not None:
            some.append(column < given.key_lengths.max())
        return _of_any(reduce(jnp.logical_and, some)) if some else None

    def drop(self, *weights: Float[Array, "BK rows columns"]) -> Sequence[Array]:
        """Drops weights, and scales them here where the scale varies along the keys."""
        drop = self.given.drop
        if drop is None:
            return weights
        if drop.scale_varies:
            scale = self.merged(drop.scale)
            weights = tuple(each * scale.astype(each.dtype) for each in weights)
        kept = self.plan.merged(self._kept(drop))
        return [jnp.where(kept, each, 0) for each in weights]

    def scale(self, like: Float[Array, "BK rows values"]) -> Array:
        """What sums of weighted values are multiplied by, where a row has one scale."""
        drop = self.given.drop
        if drop is None or drop.scale_varies:
            return jnp.ones((), like.dtype)
        scale = drop.scale if drop.scale.ndim == 0 else self.merged(drop.scale)
        return scale.astype(like.dtype)

    def _kept(self, drop: Drop) -> Bool[Array, "#B #N #rows #columns"]:
        """The block of the keep mask, drawn alone."""
        if drop.mask is not None:
            return self.cut(drop.mask)
        drawn = self.plan.drawn
        whole, first = (*drawn[:2], *self.plan.sizes), (0, 0, *self.first)
        shape = tuple(1 if tied == 1 else size for tied, size in zip(drawn, whole, strict=True))
        start = tuple(0 if tied == 1 else place for tied, place in zip(drawn, first, strict=True))
        limit = drop.limit if drop.limit.ndim == 0 else self.cut(drop.limit)
        return Part(shape, of=Layout(drawn), start=start).keeps(drop.key, limit, self.plan.bits)


@custom_vmap
def _of_any(some: Bool[Array, ""]) -> Bool[Array, ""]:
    """Under `jax.vmap`: of any example, so that `lax.cond` stays one, and has a transpose."""
    return some


@_of_any.def_vmap
def _of_any_mapped(_: int, __: list[bool], some: Bool[Array, "..."]) -> tuple[Array, bool]:
    return _of_any(some.any()), False
