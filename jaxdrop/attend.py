"""Attention block by block, in memory that is linear in queries and keys.

Softmax goes along with the blocks of keys: a running maximum, a running sum. A block of the mask is
drawn where it is needed, in backward and in tangents again, so nothing of queries × keys is held.
"""

from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Float32, Int, Key, UInt32

from jaxdrop.bits import flat_index, hash_pairs, sizes
from jaxdrop.lanes import Layout
from jaxdrop.parts import Part


@dataclass(frozen=True)
class Plan:
    """What fixes the compiled program."""

    queries: int
    keys: int
    block: tuple[int, int]
    """Queries and keys of a block."""
    drawn: tuple[int, ...]
    """Shape of the mask, tied axes at size 1."""
    bits: int
    scale: float
    is_causal: bool
    window: tuple[int, int] | None


class Data(NamedTuple):
    """What is differentiated, in blocks: K heads of keys for K × G of queries."""

    query: Float[Array, "blocks B K G bq H"]
    keys: Float[Array, "blocks B K bk H"]
    values: Float[Array, "blocks B K bk V"]
    bias: Float[Array, "#B #N #T #S"] | None


class Drop(NamedTuple):
    """What decides which weights are dropped; `mask` is drawn whole, for other generators."""

    key: Key[Array, ""]
    limit: UInt32[Array, "..."]
    inverse: Float32[Array, "..."]
    mask: Bool[Array, "#B #N #T #S"] | None


class Given(NamedTuple):
    """What is not differentiated."""

    drop: Drop | None
    mask: Bool[Array, "#B #N #T #S"] | None
    query_lengths: Int[Array, " B"] | None
    key_lengths: Int[Array, " B"] | None


class Output(NamedTuple):
    """Sums of values, and the logarithm of each row's sum of exponentials; inf if it sees none."""

    values: Float32[Array, "blocks B K G bq V"]
    logsumexp: Float32[Array, "blocks B K G bq"]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def attend(plan: Plan, data: Data, given: Given) -> Output:
    """Softmax of the logits, dropout, product with the values."""

    def of_queries(query: tuple[Array, Array]) -> Output:
        _, *middle, rows, _ = data.query.shape
        begin = (
            jnp.full((*middle, rows), -jnp.inf),
            jnp.zeros((*middle, rows)),
            jnp.zeros((*middle, rows, data.values.shape[-1])),
        )
        step = partial(_add, plan, data.bias, given, query)
        (most, total, sums), _ = lax.scan(step, begin, _blocks(data.keys, data.values))
        sees = total > 0
        logsumexp = jnp.where(sees, most + jnp.log(jnp.where(sees, total, 1)), jnp.inf)
        share = 1 / jnp.where(sees, total, 1)[..., None]
        return Output(_per_row(plan, given, query[0], sums * share), logsumexp)

    return lax.map(of_queries, _blocks(data.query))


@attend.defjvp
def _attend_jvp(
    plan: Plan, primals: tuple[Data, Given], tangents: tuple[Data, Any]
) -> tuple[Output, Output]:
    data, given = primals
    output, tangent = attend(plan, data, given), tangents[0]

    def of_queries(row: tuple[Any, ...]) -> Output:
        number, *query, values, logsumexp = row
        begin = jnp.zeros_like(values), jnp.zeros_like(logsumexp)
        step = partial(_add_tangent, plan, (data.bias, tangent.bias), given, number, *query)
        blocks = _blocks(data.keys, data.values, tangent.keys, tangent.values)
        add = jax.checkpoint(partial(step, logsumexp), prevent_cse=False)
        (sums, total), _ = lax.scan(add, begin, blocks)
        sums = _per_row(plan, given, number, sums)
        return Output(sums - values * total[..., None], total)

    return output, lax.map(of_queries, _blocks(data.query, tangent.query, *output))


def _add(
    plan: Plan, bias: Array | None, given: Given, query: tuple[Array, Array], sofar: Any, block: Any
) -> tuple[Any, None]:
    """One block of keys."""
    (i, query_block), (j, keys, values) = query, block

    def add(sofar: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        most, total, sums = sofar
        logits = _logits(plan, given, (i, j), query_block, keys, bias)
        higher = jnp.maximum(most, logits.max(-1))
        around = jnp.where(jnp.isinf(higher), 0, higher)
        weights, shrink = jnp.exp(logits - around[..., None]), jnp.exp(most - around)
        added = _product("bkgqs,bksv->bkgqv", _dropped(plan, given, (i, j), weights), values)
        return higher, total * shrink + weights.sum(-1), sums * shrink[..., None] + added

    return _where_seen(plan, given, (i, j), add, sofar), None


def _add_tangent(
    plan: Plan,
    biases: tuple[Array | None, Array | None],
    given: Given,
    i: Array,
    query: Array,
    d_query: Array,
    logsumexp: Array,
    sofar: Any,
    block: Any,
) -> tuple[Any, None]:
    """The same of the tangent, linear in the tangents."""
    j, keys, values, d_keys, d_values = block
    (bias, d_bias), at = biases, (i, j)

    def add(sofar: tuple[Array, Array]) -> tuple[Array, Array]:
        sums, total = sofar
        logits = _logits(plan, given, at, query, keys, bias)
        weights = jnp.exp(logits - logsumexp[..., None])
        d_logits = _raw_logits(plan, d_query, keys) + _raw_logits(plan, query, d_keys)
        if d_bias is not None:
            d_logits = d_logits + _grouped(_cut(plan, d_bias, at), d_logits)
        drop = partial(_dropped, plan, given, at)
        product = partial(_product, "bkgqs,bksv->bkgqv")
        d_weights = weights * d_logits
        added = product(drop(d_weights), values) + product(drop(weights), d_values)
        return sums + added, total + d_weights.sum(-1)

    return _where_seen(plan, given, at, add, sofar), None


def _product(spec: str, left: Array, right: Array) -> Float32[Array, "..."]:
    """In the type of the data, summed in float32."""
    left = left.astype(right.dtype)
    return jnp.einsum(spec, left, right, preferred_element_type=jnp.float32)


def _raw_logits(plan: Plan, query: Array, keys: Array) -> Float32[Array, "B K G bq bk"]:
    return plan.scale * _product("bkgqh,bksh->bkgqs", query, keys)


def _logits(
    plan: Plan, given: Given, at: Any, query: Array, keys: Array, bias: Array | None
) -> Float32[Array, "B K G bq bk"]:
    """-inf where a query does not see a key."""
    logits = _raw_logits(plan, query, keys)
    if bias is not None:
        logits = logits + _grouped(_cut(plan, bias, at).astype(logits.dtype), logits)
    seen = _seen(plan, given, at)
    return logits if seen is None else jnp.where(_grouped(seen, logits), logits, -jnp.inf)


def _seen(plan: Plan, given: Given, at: Any) -> Bool[Array, "#B #N bq bk"] | None:
    """Which keys of the block each query sees; None where all do."""
    rows, columns = (
        lax.expand_dims(first * size + lax.iota(jnp.int32, size), others)
        for first, size, others in zip(at, plan.block, ((0, 1, 3), (0, 1, 2)), strict=True)
    )
    seen = [] if plan.keys % plan.block[1] == 0 else [columns < plan.keys]
    if plan.is_causal:
        seen.append(columns <= rows)
    if plan.window is not None:
        left, right = plan.window
        seen += [columns >= rows - left, columns <= rows + right]
    if given.query_lengths is not None:
        seen.append(rows < given.query_lengths[:, None, None, None])
    if given.key_lengths is not None:
        seen.append(columns < given.key_lengths[:, None, None, None])
    if given.mask is not None:
        seen.append(_cut(plan, given.mask, at))
    return reduce(jnp.logical_and, seen) if seen else None


def _where_seen(plan: Plan, given: Given, at: Any, add: Any, sofar: Any) -> Any:
    """Adds the block, unless no query of it sees any key of it."""
    (i, j), (rows, columns) = at, plan.block
    some = []
    if plan.is_causal:
        some.append(j * columns < (i + 1) * rows)
    if plan.window is not None:
        left, right = plan.window
        some.append((j + 1) * columns > i * rows - left)
        some.append(j * columns < (i + 1) * rows + right)
    if given.query_lengths is not None:
        some.append(i * rows < given.query_lengths.max())
    if given.key_lengths is not None:
        some.append(j * columns < given.key_lengths.max())
    return lax.cond(jnp.stack(some).all(), add, lambda sofar: sofar, sofar) if some else add(sofar)


def _dropped(plan: Plan, given: Given, at: Any, weights: Array) -> Array:
    """Drops, and scales where the rate varies along keys: else that is done once a row."""
    if given.drop is None:
        return weights
    kept = _grouped(_kept(plan, given.drop, at), weights)
    inverse = given.drop.inverse
    if _varies(inverse):
        weights = weights * _grouped(_cut(plan, inverse, at), weights)
    return jnp.where(kept, weights, 0)


def _per_row(plan: Plan, given: Given, i: Array, sums: Array) -> Array:
    """Scales where the rate is the same for all keys."""
    if given.drop is None or _varies(given.drop.inverse):
        return sums
    inverse = given.drop.inverse
    if inverse.ndim == 0:
        return sums * inverse
    return sums * _grouped(_cut(plan, inverse, (i, jnp.int32(0))), sums)


def _varies(inverse: Array) -> bool:
    return inverse.ndim > 0 and inverse.shape[-1] > 1


def _kept(plan: Plan, drop: Drop, at: Any) -> Bool[Array, "#B #N #bq #bk"]:
    """The block of the keep mask, drawn alone."""
    if drop.mask is not None:
        return _cut(plan, drop.mask, at)
    tied = [size == 1 for size in plan.drawn]
    block = (*plan.drawn[:2], *plan.block)
    shape = tuple(1 if one else size for one, size in zip(tied, block, strict=True))
    first = [jnp.uint32(0)] * 2 + [jnp.uint32(n) * size for n, size in zip(at, plan.block, strict=True)]
    start = [0 if one else place for one, place in zip(tied, first, strict=True)]
    limit = drop.limit if drop.limit.ndim == 0 else _cut(plan, drop.limit, at)
    part = Part(shape, of=Layout(plan.drawn), start=tuple(start))
    if plan.bits == 32:
        one, other = hash_pairs(drop.key, flat_index(sizes(plan.drawn), part._positions()))
        return (one ^ other) >> 9 < limit
    return part.keeps(drop.key, limit, plan.bits)


def _cut(plan: Plan, array: Array, at: Any) -> Array:
    """The block of an array of full size, whose tied axes have size 1."""
    for axis, first, size in zip((2, 3), at, plan.block, strict=True):
        if array.shape[axis] > 1:
            array = lax.dynamic_slice_in_dim(array, first * size, size, axis)
    return array


def _grouped(array: Array, like: Array) -> Array:
    """(#B, #N, rows, columns) as (B, K, G, rows, columns), to broadcast with the logits."""
    heads = like.shape[1:3] if array.shape[1] > 1 else (1, 1)
    array = array.reshape(array.shape[0], *heads, *array.shape[2:])
    return jnp.broadcast_to(array, jnp.broadcast_shapes(array.shape, like.shape))


def _blocks(*arrays: Array) -> tuple[Array, ...]:
    """Blocks and their numbers."""
    return lax.iota(jnp.int32, len(arrays[0])), *arrays
