"""Attention with dropout in linear memory."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from jaxdrop import checks
from jaxdrop.attend import Data, alike, attend
from jaxdrop.attention_blocks import Drop, Given, Plan
from jaxdrop.bits import is_threefry
from jaxdrop.lanes import LANES, Layout, explicit_sharding
from jaxdrop.masks import draw
from jaxdrop.probability import keep_probability, realised, threshold, widen

ON_CPU, ELSEWHERE, LEAST = (512, 256), (1024, 1024), 64
"""Queries and keys of a block at most; few heads fill them, many halve them down to the least."""
WEIGHTS_ON_CPU, WEIGHTS_ELSEWHERE = 2**20, 2**24
"""Weights that a block should hold at most: on a CPU they should stay near, and an accelerator
takes as long to launch a small block as to compute it."""


def dot_product_attention(
    key: Key[Array, ""],
    query: Float[Array, "*B T N H"],
    keys: Float[Array, "*B S K H"],
    values: Float[Array, "*B S K V"],
    rate: ArrayLike,
    *,
    bias: Float[Array, "..."] | None = None,
    mask: Bool[Array, "..."] | None = None,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    query_seq_lengths: Int[Array, " B"] | None = None,
    key_value_seq_lengths: Int[Array, " B"] | None = None,
    local_window_size: int | tuple[int, int] | None = None,
    broadcast_dims: Sequence[int] = (),
    bits: int = 16,
    block_sizes: tuple[int, int] | None = None,
    precision: Any = None,
) -> Float[Array, "*B T N V"]:
    r"""Attention whose weights are dropped, in memory that is linear in queries and keys.

    $$Y = \left(\frac{M}{q} \odot \mathrm{softmax}(s\, Q K^\top + B)\right) V,
      \qquad M \sim \mathrm{Bernoulli}(q)$$

    It is `jax.nn.dot_product_attention`, in its shapes and options, with `attention_dropout`
    between softmax and product: `M` is `keep_mask(key, rate, (B, N, T, S))`, to the bit. Weights
    and mask are computed block by block, in backward once more, so neither is ever held. A query
    that sees no key gives 0. Sums are taken in float32 at least.

    What costs more: other generators than threefry2x32 draw the whole mask first. A bias, a mask
    and rates of full size are held by whoever passes them, and copied once where blocks do not come
    out even. Fewer than eight queries with lanes along the keys take blocks of 1024 keys. Where
    queries are sharded on an explicit mesh, a block has them all; on an automatic one pass
    `block_sizes=(T, 256)`. Batch and heads are sharded without communication.

    Args:
      key: one key; see `jaxdrop` for keys and rates.
      query: shape (batch, queries T, heads N, features), or the same without batch, whose mask is
        that of a batch of one.
      keys: shape (batch, keys S, heads K, features), where K divides N: each head of keys serves
        N / K heads of queries.
      values: shape (batch, keys S, heads K, values).
      rate: the probability to drop: a number, or an array that broadcasts to (B, N, T, S) with its
        tied axes at size 1, for instance of shape (N, 1, 1), one rate a head.
      bias: added to the logits; broadcasts to (B, N, T, S).
      mask: True where a query sees a key; broadcasts to (B, N, T, S).
      scale: of the logits, by default 1 / sqrt(features).
      is_causal: a query sees no key behind its own place.
      query_seq_lengths: how many queries of each example there are; the others give 0.
      key_value_seq_lengths: how many keys of each example there are.
      local_window_size: how many keys a query sees to its left and to its right.
      broadcast_dims: the axes of (B, N, T, S) that share the mask.
      bits: 8, 16 or 32, as in `dropout`.
      block_sizes: queries and keys of a block at most, up to whole groups of lanes. They change
        rounding alone. By default at most 512 and 256 where JAX runs on a CPU, else 1024 both.
      precision: of the products, as for `jnp.einsum`.

    Returns:
      An array of shape (batch, T, N, values) and of the dtype of `query`.

    Raises:
      ValueError: shapes that do not fit, heads that do not divide, a wrong rate, an axis that is
        not there, block sizes below 1.
      TypeError: no key, data that are not floating-point or of different dtypes, a mask that is not
        bool.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> key, x = jax.random.key(0), jnp.ones((2, 16, 4, 8))
      >>> jaxdrop.dot_product_attention(key, x, x, x, 0.1, is_causal=True).shape
      (2, 16, 4, 8)

    References:
      Rabe & Staats, Self-attention Does Not Need O(n²) Memory, 2021. Dao et al., FlashAttention:
      Fast and Memory-Efficient Exact Attention with IO-Awareness, 2022.

    """
    key = checks.as_key(key, "dot_product_attention(key, query, keys, values, rate)")
    rank, (query, keys, values) = jnp.ndim(query), _check_data(query, keys, values)
    batch, queries, heads, features = query.shape
    shape = batch, heads, queries, keys.shape[1]
    drawn = checks.drawn_shape(shape, broadcast_dims)
    checked = checks.check_rate(rate, drawn)
    query, scale = _scaled(query, 1 / math.sqrt(features) if scale is None else scale)
    sizes = _block_sizes(shape, drawn, explicit_sharding(query), block_sizes)
    window = _check_window(local_window_size)
    bits = checks.check_bits(bits)
    grouped, seen = (batch, keys.shape[2], heads // keys.shape[2]), (bool(is_causal), window)
    plan = Plan(keys.shape[1], sizes, grouped, drawn, bits, scale, *seen, precision, query.dtype)
    given = Given(
        None,
        None if mask is None else _ranked(checks.check_mask(mask, shape)),
        _check_lengths("query_seq_lengths", query_seq_lengths, batch),
        _check_lengths("key_value_seq_lengths", key_value_seq_lengths, batch),
    )
    keep = None if checked.is_always(0) else keep_probability(checked, 4)
    data = Data(query, keys, values, _check_bias(bias, shape))
    attended = _attended(plan, key, keep, data, given)
    return attended if rank == 4 else attended[0]


def _attended(
    plan: Plan, key: Key[Array, ""], keep: Array | None, data: Data, given: Given
) -> Float[Array, "B T N V"]:
    """On an explicit mesh XLA finds its own way inside: scans want no sharded axes."""
    sharded = [*filter(None, map(explicit_sharding, jax.tree.leaves((keep, data, given))))]
    if 0 in (*data.query.shape, data.keys.shape[1]):
        return jnp.zeros((*data.query.shape[:-1], data.values.shape[-1]), data.query.dtype)
    if not sharded:
        return _in_blocks(plan, key, keep, data, given)
    sharding = NamedSharding(sharded[0].mesh, jax.typeof(data.query).sharding.spec)
    run: Any = jax.sharding.auto_axes(partial(_in_blocks, plan), out_sharding=sharding)
    return run(key, keep, data, given)


@partial(jax.jit, static_argnums=0)
def _in_blocks(
    plan: Plan, key: Key[Array, ""], keep: Array | None, data: Data, given: Given
) -> Float[Array, "B T N V"]:
    query, keys, values, bias = data
    split = _blocks(query, plan.sizes[0]).swapaxes(2, 3)
    data = Data(
        split.reshape(len(split), *plan.rows, query.shape[-1]),
        _merged(_blocks(keys, plan.sizes[1]).swapaxes(2, 3)),
        _merged(_blocks(values, plan.sizes[1]).swapaxes(2, 3)),
        _padded(plan, bias),
    )
    drop = None if keep is None else _drop(plan, key, keep)
    given = given._replace(drop=drop, mask=_padded(plan, given.mask))
    attended = attend(plan, *alike((data, given)))
    sums = attended.values.reshape(*split.shape[:-1], values.shape[-1]).transpose(1, 0, 3, 2, 4)
    sums = sums.reshape(len(query), -1, *sums.shape[3:])
    return sums[:, : query.shape[1]].astype(query.dtype)


def _drop(plan: Plan, key: Key[Array, ""], keep: Array) -> Drop:
    share = keep if plan.bits == 32 else realised(keep, plan.bits)
    scale = _padded(plan, 1 / jnp.where(keep > 0, share, 1))
    whole = None if is_threefry(key) else draw(key, keep, shape=plan.drawn, bits=plan.bits)
    return Drop(key, _padded(plan, threshold(keep, plan.bits)), scale, _padded(plan, whole))


def _blocks(x: Array, size: int) -> Float[Array, "blocks B size heads features"]:
    x = jnp.pad(x, [(0, 0), (0, -x.shape[1] % size), (0, 0), (0, 0)])
    return x.reshape(len(x), x.shape[1] // size, size, *x.shape[2:]).swapaxes(0, 1)


def _merged(x: Array) -> Float[Array, "blocks BK columns features"]:
    return x.reshape(len(x), -1, *x.shape[3:])


def _padded(plan: Plan, array: Array | None) -> Any:
    """To whole blocks, on axes that are not tied."""
    if array is None or array.ndim == 0:
        return array
    pairs = zip(array.shape[2:], plan.sizes, strict=True)
    return jnp.pad(array, [(0, 0)] * 2 + [(0, -n % size if n > 1 else 0) for n, size in pairs])


def _block_sizes(
    shape: tuple[int, ...],
    drawn: tuple[int, ...],
    sharding: NamedSharding | None,
    given: tuple[int, int] | None,
) -> tuple[int, int]:
    """Even blocks of whole groups of lanes; of all queries where those are sharded."""
    batch, heads, queries, keys = shape
    on_cpu = jax.default_backend() == "cpu"
    largest, weights = (ON_CPU, WEIGHTS_ON_CPU) if on_cpu else (ELSEWHERE, WEIGHTS_ELSEWHERE)
    side = max(math.isqrt(weights // (2 * max(1, batch * heads))), LEAST)
    usual = min(2 * side, largest[0]), min(side, largest[1])
    most = _check_pair("block_sizes", given or usual, 1, "queries and keys")
    if sharding is not None and sharding.spec[1] is not None:
        most = queries, most[1]
    layout, sizes = Layout(drawn), []
    for axis, size, limit in zip((2, 3), (queries, keys), most, strict=True):
        laned = layout.axes[0] == axis
        group = LANES * layout.stride if laned else 1
        even = -(-size // max(1, -(-size // limit)))
        sizes.append(max(1, -(-even // group)) * group)
    return sizes[0], sizes[1]


def _scaled(query: Array, scale: Any) -> tuple[Array, float]:
    """A number goes into the program; an array, perhaps traced, into the queries."""
    if isinstance(scale, float | int | np.number):
        return query, float(scale)
    return (widen(query) * checks.check_real("scale", scale)).astype(query.dtype), 1.0


def _check_data(*given: ArrayLike) -> list[Array]:
    """Takes query, keys and values; without a batch they get one of 1."""
    query, keys, values = map(checks.check_real_data, given)
    shapes = ", ".join(str(x.shape) for x in (query, keys, values))
    if {query.ndim, keys.ndim, values.ndim} not in ({3}, {4}):
        raise ValueError(
            "Expected query, keys and values of shape (batch, length, heads, features), or all "
            f"three without batch; got {shapes}."
        )
    if not query.dtype == keys.dtype == values.dtype:
        kinds = f"{query.dtype}, {keys.dtype} and {values.dtype}"
        raise TypeError(f"Expected query, keys and values of one dtype; got {kinds}. Convert them.")
    query, keys, values = (x if x.ndim == 4 else x[None] for x in (query, keys, values))
    for wanted, one, other in (
        ("query and keys with one batch size (axis 0)", query.shape[0], keys.shape[0]),
        ("query and keys with one number of features (axis -1)", query.shape[3], keys.shape[3]),
        ("keys and values alike but for their last axis", keys.shape[:3], values.shape[:3]),
    ):
        if one != other:
            raise ValueError(f"Expected {wanted}; got {one} and {other}, in shapes {shapes}.")
    heads, of_keys = query.shape[2], keys.shape[2]
    if of_keys == 0 or heads % of_keys:
        raise ValueError(
            f"Expected heads of keys (axis -2) that divide the {heads} of the query; got {of_keys}."
        )
    return [query, keys, values]


def _ranked(array: Array) -> Array:
    return lax.expand_dims(array, range(4 - array.ndim))


def _check_bias(bias: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    if bias is None:
        return None
    bias = checks.check_real_data(bias)
    checks.check_broadcast("bias", bias.shape, "(batch, heads, queries, keys)", shape)
    return _ranked(bias)


def _check_lengths(what: str, lengths: ArrayLike | None, batch: int) -> Array | None:
    if lengths is None:
        return None
    lengths = jnp.asarray(lengths)
    if lengths.shape != (batch,) or not jnp.issubdtype(lengths.dtype, jnp.integer):
        got = f"{lengths.dtype} of shape {lengths.shape}"
        raise ValueError(f"Expected {what} as {batch} integers, one an example; got {got}.")
    return lengths.astype(jnp.int32)


def _check_window(window: int | tuple[int, int] | None) -> tuple[int, int] | None:
    sides = (window, window) if isinstance(window, int) else window
    if sides is None:
        return None
    return _check_pair("local_window_size", sides, 0, "keys to the left and to the right")


def _check_pair(what: str, pair: Any, least: int, of: str) -> tuple[int, int]:
    numbers = pair if isinstance(pair, tuple | list) else ()
    whole = all(isinstance(n, int | np.integer) and n >= least for n in numbers)
    if len(numbers) != 2 or not whole:
        raise ValueError(f"Expected {what} as two integers of {least} or more, {of}; got {pair!r}.")
    return int(numbers[0]), int(numbers[1])
