"""Attention with dropout in linear memory."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxdrop import checks
from jaxdrop.attend import Data, Drop, Given, Plan, attend
from jaxdrop.bits import is_threefry
from jaxdrop.lanes import LANES, Layout, explicit_sharding
from jaxdrop.masks import draw
from jaxdrop.probability import keep_probability, realised, threshold

BLOCK = 256


def dot_product_attention(
    key, query, keys, values, rate, *, bias=None, mask=None, scale=None, is_causal=False,
    query_seq_lengths=None, key_value_seq_lengths=None, local_window_size=None,
    broadcast_dims=(), bits=16, block_sizes=None,
):
    key = checks.check_key(key, "dot_product_attention(key, query, keys, values, rate)")
    batch = query.ndim == 4
    query, keys, values = (x if batch else x[None] for x in (query, keys, values))
    bias, mask = (x if x is None or x.ndim == 4 else x[None] for x in (bias, mask))
    B, T, N, H = query.shape
    S = keys.shape[1]
    shape = (B, N, T, S)
    drawn = checks.drawn_shape(shape, broadcast_dims)
    checked = checks.check_rate(rate, drawn)
    keep = None if checked.is_always(0) else keep_probability(checked, 4)
    window = (local_window_size,) * 2 if isinstance(local_window_size, int) else local_window_size
    block = blocks(shape, drawn, block_sizes)
    plan = Plan(T, S, block, drawn, bits, float(1 / math.sqrt(H) if scale is None else scale), is_causal, window)
    out = _attention(plan, key, query, keys, values, keep, bias, mask, query_seq_lengths, key_value_seq_lengths)
    return out if batch else out[0]


def blocks(shape, drawn, given):
    B, N, T, S = shape
    side = BLOCK
    while B * N * side**2 > 2**20 and side > 64:
        side //= 2
    wanted = (side, side) if given is None else given
    layout = Layout(drawn)
    found = []
    for axis, size, most in zip((2, 3), (T, S), wanted):
        group = LANES * layout.stride if layout.axis == axis and layout.axes[0] is not None and drawn[axis] > 1 else 1
        count = max(-(-size // most), 1)
        each = -(-size // count)
        found.append(max(-(-each // group) * group, 1))
    return tuple(found)


@partial(jax.jit, static_argnums=0)
def _attention(plan, key, query, keys, values, keep, bias, mask, query_lengths, key_lengths):
    B, T, N, H = query.shape
    K = keys.shape[2]
    rows, columns = plan.block
    drop = None
    if keep is not None:
        limit = threshold(keep, plan.bits)
        inverse = 1 / jnp.where(keep > 0, keep if plan.bits == 32 else realised(keep, plan.bits), 1)
        whole = None if is_threefry(key) else pad(plan, draw(key, keep, shape=plan.drawn, bits=plan.bits))
        drop = Drop(key, pad(plan, limit), pad(plan, inverse), whole)
    q = blocked(query, rows).reshape(-1, B, rows, K, N // K, H).transpose(0, 1, 3, 4, 2, 5)
    k, v = (blocked(x, columns).transpose(0, 1, 3, 2, 4) for x in (keys, values))
    given = Given(drop, pad(plan, mask), query_lengths, key_lengths)
    out = attend(plan, Data(q, k, v, pad(plan, bias)), given).values
    out = out.transpose(1, 0, 4, 2, 3, 5).reshape(B, -1, N, values.shape[-1])
    return out[:, :T].astype(query.dtype)


def blocked(x, size):
    """(blocks, B, size, ...)"""
    x = jnp.pad(x, [(0, 0), (0, -x.shape[1] % size), (0, 0), (0, 0)])
    return jnp.moveaxis(x.reshape(x.shape[0], -1, size, *x.shape[2:]), 1, 0)


def pad(plan, x):
    if x is None or x.ndim == 0:
        return x
    more = [(0, 0 if n == 1 else -n % size) for n, size in zip(x.shape[2:], plan.block)]
    return jnp.pad(x, [(0, 0), (0, 0), *more])
