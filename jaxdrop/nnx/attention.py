"""Attention in linear memory as Flax NNX takes it: a function, and a site that holds its rate."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.nnx.nn.attention import dot_product_attention_weights
from flax.nnx.nn.dtypes import promote_dtype
from jax.typing import ArrayLike
from jaxtyping import Array, Float

import jaxdrop
from jaxdrop.flax_attention import SHARED, dropping, fused, unfused
from jaxdrop.flax_shared import Path, known_rate
from jaxdrop.nnx.base import DropSite

Promote = Callable[..., Any]


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
    module: nnx.Module | None = None,
    promote_dtype: Promote = promote_dtype,
    is_causal: bool = False,
) -> Float[Array, "*batch T N V"]:
    """`jaxdrop.dot_product_attention` under the signature of `flax.nnx.dot_product_attention`.

    `nnx.MultiHeadAttention(..., attention_fn=jaxdrop.nnx.dot_product_attention)` is the whole
    change: weights and masks are then never held, and memory is linear in queries and keys. Batch
    axes count as one; masks are those of `keep_mask` for (batch, N, T, S). A query that sees no
    key gives 0, where Flax gives the mean of the values.

    Where the weights are asked for, by `module` or `sow_weights=True`, they are computed whole, and
    dropped by the same masks: that takes memory for all of them.

    Args:
      query: shape (*batch, queries T, heads N, features).
      key: shape (*batch, keys S, heads K, features); K divides N.
      value: shape (*batch, keys S, heads K, values).
      bias: added to the logits; broadcasts to (*batch, N, T, S).
      mask: not 0 where a query sees a key; broadcasts to (*batch, N, T, S).
      broadcast_dropout: one mask for all examples and heads.
      dropout_rng: the key of the mask.
      dropout_rate: the probability to drop; Flax's layers want a number that is known.
      deterministic: True drops nothing.
      dtype: that the data are converted to.
      precision: of the products.
      module: where the weights are sown.
      promote_dtype: how the data are converted.
      is_causal: a query sees no key behind its own place.

    Returns:
      An array of shape (*batch, T, N, values).

    Raises:
      ValueError: no key where something is dropped, and what the function refuses.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import dot_product_attention
      >>> layer = nnx.MultiHeadAttention(
      ...     2, 8, dropout_rate=0.1, deterministic=False, decode=False, rngs=nnx.Rngs(0),
      ...     attention_fn=dot_product_attention)
      >>> layer(jnp.ones((3, 5, 8))).shape
      (3, 5, 8)
    """
    drop_key, rate, options = dropping(dropout_rate, dropout_rng, deterministic, broadcast_dropout)
    query, key, value = promote_dtype((query, key, value), dtype=dtype)
    seen = {"bias": bias, "mask": mask, "is_causal": is_causal, "precision": precision}
    return _attend(drop_key, (query, key, value), rate, module, seen, options)


def _attend(
    drop_key: Any,
    data: tuple[Array, Array, Array],
    rate: ArrayLike,
    module: nnx.Module | None,
    seen: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Float[Array, "*batch T N V"]:
    """In linear memory, unless the weights are to be sown."""
    query, key, value = data
    if module is None:
        return fused(drop_key, query, key, value, rate, **seen, **options)
    weights = dot_product_attention_weights(query, key, **seen, deterministic=True, module=module)
    einsum = partial(jnp.einsum, precision=seen["precision"])
    options = {name: option for name, option in options.items() if name != "block_sizes"}
    return unfused(drop_key, weights, value, rate, einsum=einsum, **options)


class DotProductAttention(
    DropSite,
    operator=jaxdrop.dot_product_attention,
    options=("broadcast_dims", "bits", "block_sizes"),
):
    """`jaxdrop.dot_product_attention` as a site: `attention_fn` of a `nnx.MultiHeadAttention`.

    It holds rate, stream and mode, so that the rate may be traced or an array, one a head for
    instance, which Flax's own `dropout_rate` may not: leave that at 0. `dropout_sites` lists it.

    Args:
      rate: the probability to drop: a number, or an array that broadcasts to (batch, N, T, S).
      **options: those of the function, and what all modules have, see `DropModule`.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import DotProductAttention, dropout_sites
      >>> rngs = nnx.Rngs(0)
      >>> layer = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs,
      ...     attention_fn=DotProductAttention(jnp.full((2, 1, 1), 0.1), rngs=rngs))
      >>> layer(jnp.ones((3, 5, 8))).shape, dropout_sites(layer)[0].path
      ((3, 5, 8), ('attention_fn',))
    """

    static = True  # functions are
    instead: Any = None
    """What stood here before `insert`: it attends where nothing is dropped, and after `remove`."""

    def __call__(
        self,
        query: Float[Array, "*batch T N H"],
        key: Float[Array, "*batch S K H"],
        value: Float[Array, "*batch S K V"],
        bias: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        broadcast_dropout: bool = True,
        dropout_rng: Any = None,
        dropout_rate: ArrayLike = 0.0,
        deterministic: bool | None = None,
        dtype: Any = None,
        precision: Any = None,
        module: nnx.Module | None = None,
        promote_dtype: Promote = promote_dtype,
        is_causal: bool = False,
    ) -> Float[Array, "*batch T N V"]:
        """Attends, and drops unless this site is deterministic.

        Args are those of `dot_product_attention`. What Flax's layer says of dropout is of its own
        rate, which stays 0, and does not count here.

        Raises:
          ValueError: a layer that drops by a rate of its own.
        """
        if known_rate(dropout_rate) != 0:
            raise ValueError(
                f"Expected Flax's own dropout_rate to be 0; got {dropout_rate}. "
                "The rate is that of DotProductAttention."
            )
        seen = {"bias": bias, "mask": mask, "is_causal": is_causal, "precision": precision}
        known = 0.0 if self._is_deterministic(None) else self._known(None)
        if known == 0 and self.instead is not None:
            return self.instead(query, key, value, **seen, dtype=dtype, module=module)
        data = promote_dtype((query, key, value), dtype=dtype)
        rate = self._read(None) if known is None else known
        options = {name: getattr(self, name) for name in self._operation.options}
        return _attend(self._key(known, None), data, rate, module, seen, options)


def check_attention(child: Any, path: Path, rate: Any) -> None:
    """Takes a place inside of an attention, and its rate."""
    if not isinstance(child, nnx.MultiHeadAttention):
        raise TypeError(f"Expected a nnx.MultiHeadAttention at {path}; got {child!r}.")
    known_rate(rate)
    if child.attention_fn not in (nnx.dot_product_attention, dot_product_attention):
        raise ValueError(
            f"Expected an attention with Flax's attention_fn, or jaxdrop's, at {path}; got "
            f"{child.attention_fn!r}. Drop there, or call remove first."
        )


def drop_inside(attention: Any, rate: Any, rngs: nnx.Rngs) -> None:
    """Puts a site in the place of an attention's function; a rate that it had goes."""
    sizes = (1,) * (4 - np.ndim(rate)) + np.shape(rate)
    shared = SHARED if attention.broadcast_dropout else ()
    tied = tuple(axis for axis in shared if sizes[axis] == 1)
    site = DotProductAttention(rate, rngs=rngs, broadcast_dims=tied)
    site.instead = attention.attention_fn
    silence(attention)
    attention.attention_fn = nnx.data(site)


def silence(attention: Any) -> None:
    """Takes Flax's own dropout out of an attention."""
    if attention.dropout_rate != 0:
        attention.dropout_rate, attention.rngs = 0.0, nnx.static(None)
