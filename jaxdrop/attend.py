"""Attention block by block, in memory that is linear in queries and keys.

The softmax goes along with the blocks of keys: a running maximum, a running sum. A block of weights
and of the mask is computed where it is needed, in tangents and backward once more, so that nothing
of the size of queries × keys is held.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxdrop.attention_blocks import Block, Given, Plan
from jaxdrop.probability import at_least_float32, widen


class Data(NamedTuple):
    """What is differentiated, in blocks; examples are merged with heads of keys.

    XLA's products on a CPU take one such axis: with more, nothing behind them happens in place.
    """

    query: Float[Array, "blocks BK rows features"]
    keys: Float[Array, "blocks BK columns features"]
    values: Float[Array, "blocks BK columns values"]
    bias: Float[Array, "#B #N #T #S"] | None


class Attended(NamedTuple):
    """Weighted sums, and each row's logarithm of its sum of exponentials; inf if it sees no key."""

    values: Float[Array, "blocks BK rows values"]
    normaliser: Float[Array, "blocks BK rows"]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def attend(plan: Plan, data: Data, given: Given) -> Attended:
    """Softmax of the logits, dropout, product with the values."""

    def of_queries(row: tuple[Array, Array]) -> Attended:
        number, query = row
        none = jnp.zeros_like(query[..., 0], dtype=at_least_float32(query.dtype))
        sums = jnp.broadcast_to(none[..., None], (*none.shape, values))
        begin = none - jnp.inf, none, sums
        add = partial(_add, plan, given, data.bias, number, query)
        (most, total, sums), _ = lax.scan(add, begin, _numbered(data.keys, data.values))
        sees, block = total > 0, Block(plan, given, (number, jnp.int32(0)))
        total = jnp.where(sees, total, 1)
        normaliser = jnp.where(sees, most + jnp.log(total), jnp.inf)
        return Attended(sums * (block.scale(sums) / total[..., None]), normaliser)

    values = data.values.shape[-1]
    return lax.map(of_queries, _numbered(data.query))


@attend.defjvp
def _attend_jvp(
    plan: Plan, primals: tuple[Data, Given], tangents: tuple[Data, Any]
) -> tuple[Attended, Attended]:
    """The tangent in one sweep, linear in those of the data; transposed it is backward.

    The tangents are wide, so that backward sums over blocks in float32, and rounds once.
    """
    (data, given), moved = primals, jax.tree.map(widen, tangents[0])
    output, biases = attend(plan, data, given), (data.bias, moved.bias)
    queries = _numbered(data.query, moved.query, output.normaliser)

    def of_keys(sofar: Any, keyed: tuple[Array, ...]) -> tuple[Any, None]:
        of_block = partial(_tangent, plan, given, biases, keyed)
        added = lax.map(jax.checkpoint(of_block, prevent_cse=False), queries)
        return jax.tree.map(jnp.add, sofar, added), None

    def whole(row: tuple[Array, Array, Attended]) -> Attended:
        number, values, (sums, total) = row
        sums = sums * Block(plan, given, (number, jnp.int32(0))).scale(sums)
        return Attended(sums - values * total[..., None], total)

    blocks = _numbered(data.keys, data.values, moved.keys, moved.values)
    found, _ = lax.scan(of_keys, jax.tree.map(jnp.zeros_like, output), blocks)
    return output, lax.map(whole, (queries[0], output.values, found))


def _add(
    plan: Plan, given: Given, bias: Array | None, i: Array, query: Array, sofar: Any, keyed: Any
) -> tuple[Any, None]:
    """Adds a block of keys to the running maximum, the sum of exponentials, the sum of values."""
    j, keys, values = keyed
    block = Block(plan, given, (i, j))

    def add(sofar: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        most, total, sums = sofar
        logits = _logits(block, query, keys, bias)
        higher = jnp.maximum(most, logits.max(-1))
        around = jnp.where(higher == -jnp.inf, 0, higher)
        weights, shrink = jnp.exp(logits - around[..., None]), jnp.exp(most - around)
        (kept,) = block.drop(weights)
        added = _weigh(plan, kept, values)
        return higher, total * shrink + weights.sum(-1), sums * shrink[..., None] + added

    return _if_seen(block, add, sofar), None


def _tangent(
    plan: Plan,
    given: Given,
    biases: tuple[Array | None, Array | None],
    keyed: tuple[Array, ...],
    row: tuple[Array, ...],
) -> Attended:
    """What a block adds to the tangents of the sum of values and of the normaliser."""
    (j, keys, values, d_keys, d_values), (i, query, d_query, normaliser) = keyed, row
    block, (bias, d_bias) = Block(plan, given, (i, j)), biases

    def added(_: Attended) -> Attended:
        weights = jnp.exp(_logits(block, query, keys, bias) - normaliser[..., None])
        moved = _products(plan, d_query, keys) + _products(plan, query, d_keys)
        if d_bias is not None:
            moved = moved + block.merged(d_bias).astype(moved.dtype)
        moved = weights * moved
        moves, kept = block.drop(moved, weights)  # of one mask
        sums = _weigh(plan, moves, values) + _weigh(plan, kept, d_values)
        return Attended(sums, moved.sum(-1))

    none = jnp.zeros_like(normaliser)
    sums = jnp.broadcast_to(none[..., None], (*none.shape, values.shape[-1]))
    # What its branch kept from pass to pass would be zeros, written, where nothing is seen.
    added = jax.checkpoint(added, prevent_cse=False)
    return _if_seen(block, added, Attended(sums, none))


def _logits(
    block: Block, query: Array, keys: Array, bias: Array | None
) -> Float[Array, "BK rows columns"]:
    """-inf where a query does not see a key."""
    logits, seen = _products(block.plan, query, keys), block.seen()
    if bias is not None:
        logits = logits + block.merged(bias).astype(logits.dtype)
    return logits if seen is None else jnp.where(block.plan.merged(seen), logits, -jnp.inf)


def _products(plan: Plan, query: Array, keys: Array) -> Float[Array, "BK rows columns"]:
    """The queries are scaled, which are fewer than the logits, where that costs no digits.

    So it is in wide data, or by a power of two that makes nothing too large for the others.
    """
    spec, scale = "brf,bcf->brc", abs(plan.scale)
    exact = scale <= 1 and math.frexp(scale)[0] == 0.5
    if exact or plan.dtype == at_least_float32(plan.dtype):
        return _einsum(plan, spec, plan.scale * query, keys)
    return plan.scale * _einsum(plan, spec, query, keys)


def _weigh(plan: Plan, weights: Array, values: Array) -> Float[Array, "BK rows values"]:
    return _einsum(plan, "brc,bcv->brv", weights, values)


def _einsum(plan: Plan, spec: str, *factors: Array) -> Float[Array, "..."]:
    """Factors are of the type of the data, sums of float32 at least."""
    factors, wide = tuple(x.astype(plan.dtype) for x in factors), at_least_float32(plan.dtype)
    return jnp.einsum(spec, *factors, precision=plan.precision, preferred_element_type=wide)


def _if_seen(block: Block, add: Any, sofar: Any) -> Any:
    """Adds the block, unless no query of it sees any key."""
    some = block.sees_some()
    return add(sofar) if some is None else lax.cond(some, add, lambda sofar: sofar, sofar)


def alike(tree: Any) -> Any:
    """Inside `jax.shard_map`: varying over the same axes, as scans want their carries.

    Backward then sums over devices once, behind all blocks; no block waits for another device.
    """

    def axes(x: Array) -> frozenset:
        return jax.typeof(x).manual_axis_type.varying

    every = frozenset().union(*map(axes, jax.tree.leaves(tree)))
    cast = partial(lax.pcast, to="varying")
    return jax.tree.map(lambda x: cast(x, tuple(sorted(every - axes(x), key=str))), tree)


def _numbered(*arrays: Array) -> tuple[Array, ...]:
    return lax.iota(jnp.int32, len(arrays[0])), *arrays
