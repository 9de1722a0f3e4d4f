"""Attention in linear memory as Flax Linen takes it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxdrop.flax_attention import dropping, fused, unfused


def dot_product_attention(
    query: Float[Array, "*batch T N H"],
    key: Float[Array, "*batch S K H"],
    value: Float[Array, "*batch S K V"],
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    broadcast_dropout: bool = True,
    dropout_rng: Any = None,
    dropout_rate: ArrayLike = 0.0,
    deterministic: bool = False,
    dtype: Any = None,
    precision: Any = None,
    module: nn.Module | None = None,
    force_fp32_for_softmax: bool = False,
    einsum_dot_general: Callable[..., Array] | None = None,
    qk_attn_weights_einsum: Callable[..., Array] | None = None,
    attn_weights_value_einsum: Callable[..., Array] | None = None,
) -> Float[Array, "*batch T N V"]:
    """`jaxdrop.dot_product_attention` under the signature of `flax.linen.dot_product_attention`.

    `nn.MultiHeadDotProductAttention(..., attention_fn=jaxdrop.linen.dot_product_attention)` is the
    whole change; see `jaxdrop.nnx.dot_product_attention` for what differs from Flax. The softmax is
    always taken in float32. Where the weights are asked for, by `module` or `sow_weights=True`, and
    where products of one's own are passed, weights are computed whole.

    Args:
      query: shape (*batch, queries T, heads N, features).
      key: shape (*batch, keys S, heads K, features).
      value: shape (*batch, keys S, heads K, values).
      bias: added to the logits; broadcasts to (*batch, N, T, S).
      mask: not 0 where a query sees a key; broadcasts to (*batch, N, T, S).
      broadcast_dropout: one mask for all examples and heads.
      dropout_rng: the key of the mask.
      dropout_rate: the probability to drop.
      deterministic: True drops nothing.
      dtype: that the data are converted to.
      precision: of the products.
      module: where the weights are sown.
      force_fp32_for_softmax: it is, whatever is passed.
      einsum_dot_general: for products of one's own; so are the other two.
      qk_attn_weights_einsum: of queries and keys.
      attn_weights_value_einsum: of weights and values.

    Returns:
      An array of shape (*batch, T, N, values).

    Raises:
      ValueError: no key where something is dropped, and what the function refuses.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from jaxdrop.linen import dot_product_attention
      >>> layer = nn.MultiHeadDotProductAttention(
      ...     2, dropout_rate=0.1, deterministic=False, attention_fn=dot_product_attention)
      >>> rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
      >>> layer.init_with_output(rngs, jnp.ones((3, 5, 8)))[0].shape
      (3, 5, 8)
    """
    drop_key, rate, options = dropping(dropout_rate, dropout_rng, deterministic, broadcast_dropout)
    query, key, value = promote_dtype(query, key, value, dtype=dtype)
    own = einsum_dot_general, qk_attn_weights_einsum, attn_weights_value_einsum
    if module is None and own == (None, None, None):
        seen = {"bias": bias, "mask": mask, "precision": precision}
        return fused(drop_key, query, key, value, rate, **seen, **options)
    weights = nn.attention.dot_product_attention_weights(
        query,
        key,
        bias,
        mask,
        deterministic=True,
        precision=precision,
        module=module,
        force_fp32_for_softmax=True,
        einsum_dot_general=einsum_dot_general,
        einsum=qk_attn_weights_einsum,
    )
    products = einsum_dot_general or lax.dot_general
    einsum = partial(jnp.einsum, precision=precision, _dot_general=products)
    einsum = attn_weights_value_einsum or einsum
    return unfused(drop_key, weights, value, rate, einsum=einsum, **options)
