"""Attention as Flax calls it: any batch axes, masks of any type, one mask for all heads or not."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxdrop.attention import dot_product_attention
from jaxdrop.dropout import dropout
from jaxdrop.flax_shared import known_rate

SHARED = 0, 1  # the axes of batch and heads


def dropping(
    rate: ArrayLike, key: Any, deterministic: bool, broadcast_dropout: bool
) -> tuple[Any, ArrayLike, dict[str, Any]]:
    """Key, rate and options of what Flax asks for."""
    rate = 0.0 if deterministic else rate
    options = {"broadcast_dims": SHARED if broadcast_dropout else ()}
    if known_rate(rate) == 0:
        return jax.random.key(0), 0.0, options  # which nothing is drawn from
    if key is None:
        raise ValueError(
            "Expected a key as dropout_rng where attention drops; got None. Pass rngs to the "
            "layer, or deterministic=True."
        )
    return key, rate, options


def fused(
    key: Any,
    query: Float[Array, "*batch T N H"],
    keys: Float[Array, "*batch S K H"],
    values: Float[Array, "*batch S K V"],
    rate: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    **options: Any,
) -> Float[Array, "*batch T N V"]:
    """In linear memory; all batch axes become one, and so does the mask's."""
    batch = query.shape[:-3]
    attended = dot_product_attention(
        key,
        _joined(query, batch),
        _joined(keys, batch),
        _joined(values, batch),
        rate,
        bias=None if bias is None else _joined(jnp.asarray(bias), batch),
        mask=None if mask is None else _joined(jnp.asarray(mask).astype(bool), batch),
        **options,
    )
    return attended.reshape(*batch, *attended.shape[1:])


def unfused(
    key: Any,
    weights: Float[Array, "*batch N T S"],
    values: Float[Array, "*batch S K V"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
    bits: int = 16,
    einsum: Callable[..., Array] = jnp.einsum,
) -> Float[Array, "*batch T N V"]:
    """Of weights that somebody wants to see; the same masks."""
    batch, heads = weights.shape[:-3], weights.shape[-3]
    weights, values = _joined(weights, batch), _joined(values, batch)
    weights = dropout(key, weights, rate, broadcast_dims=broadcast_dims, bits=bits)
    values = jnp.repeat(values, heads // values.shape[-2], axis=-2)
    attended = einsum("...hqk,...khd->...qhd", weights, values)
    return attended.reshape(*batch, *attended.shape[1:])


def _joined(x: Array, batch: tuple[int, ...]) -> Float[Array, "joined a b c"]:
    """One batch axis in the place of all, where it has any."""
    x = lax.expand_dims(x, range(len(batch) + 3 - x.ndim))
    own, inner = x.shape[:-3], x.shape[-3:]
    if all(size == 1 for size in own):
        return x.reshape(1, *inner)
    return jnp.broadcast_to(x, (*batch, *inner)).reshape(math.prod(batch), *inner)
