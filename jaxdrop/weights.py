"""Dropout of weights: single connections, and whole words of an embedding table."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Inexact, Key, PyTree

from jaxdrop import checks
from jaxdrop.checks import Rate
from jaxdrop.dropout import dropout, redrawn
from jaxdrop.masks import draw_for, select
from jaxdrop.probability import keep_probability

_LEAF = 0x4C45_4146  # "LEAF": keeps the leaves' keys apart from keys folded with a step or a layer

Where = Callable[[tuple[Any, ...], Any], bool]


def drop_connect(
    key: Key[Array, ""],
    weights: PyTree[Inexact[Array, "..."]],
    rate: PyTree[ArrayLike],
    *,
    where: Where | None = None,
    scale: bool = True,
) -> PyTree[Inexact[Array, "..."]]:
    r"""Drops single weights of a layer, or of every layer of a model.

    $$W'_{ij} = m_{ij} \, W_{ij} / q, \qquad m_{ij} \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability. Every leaf has a key of its own, folded from its place among all
    leaves: masks do not depend on `where`. For recurrent weights call it once, outside the scan.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      weights: an array, or a pytree of them, for instance a model's parameters.
      rate: the probability to drop: a number, an array that broadcasts to each leaf that is
        dropped, or a pytree of these like `weights`.
      where: takes a leaf's path (a tuple of JAX's path entries) and the leaf, and tells whether its
        weights are dropped; the others pass as they are. All leaves if None, biases too, as in the
        paper.
      scale: divide by `q`, so that the mean stays. The paper does not.

    Returns:
      A pytree like `weights`.

    Raises:
      ValueError: a wrong rate, a pytree of rates unlike the weights, several keys.
      TypeError: no key, no number as rate, or a leaf to be dropped that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> layer = {"kernel": jnp.ones((2, 4)), "bias": jnp.ones(4)}
      >>> layer = jaxdrop.drop_connect(
      ...     jax.random.key(0), layer, 0.5, where=lambda path, leaf: leaf.ndim == 2)
      >>> layer["bias"].tolist(), sorted(set(layer["kernel"].ravel().tolist()))
      ([1.0, 1.0, 1.0, 1.0], [0.0, 2.0])

    References:
      Wan et al., Regularization of Neural Networks using DropConnect, 2013.
    """
    key = checks.as_key(key, "drop_connect(key, weights, rate)")
    if where is not None and not callable(where):
        raise TypeError(
            f"Expected where to be a function of a path and a leaf, or None; got {where!r}. "
            "For instance: lambda path, leaf: leaf.ndim == 2."
        )
    leaves, structure = jax.tree_util.tree_flatten_with_path(weights)
    rates = _rate_of_each(rate, structure)
    dropped = [
        _drop_leaf(key, leaf, rates[index], np.uint32(index), scale)
        if where is None or where(path, leaf)
        else leaf
        for index, (path, leaf) in enumerate(leaves)
    ]
    return structure.unflatten(dropped)


def _rate_of_each(rate: PyTree[ArrayLike], structure: Any) -> list[Any]:
    rates, own = jax.tree.flatten(rate, is_leaf=lambda leaf: leaf is None)
    if own == structure:
        return rates
    if not jax.tree_util.treedef_is_leaf(own):
        raise ValueError(
            f"Expected one rate, or a pytree of them like the weights, {structure}; got {own}. "
            "To leave leaves out, pass where."
        )
    return rates * structure.num_leaves


def _drop_leaf(key: Array, leaf: Any, rate: ArrayLike, index: np.uint32, scale: bool) -> Array:
    leaf = checks.check_data(leaf)
    checked = checks.check_rate(rate, leaf.shape)
    if checked.is_always(0):
        return leaf
    return _drop_under_own_key(key, leaf, checked, index, scale=bool(scale))


@redrawn("scale")
def _drop_under_own_key(key: Array, leaf: Array, rate: Rate, index: Array, *, scale: bool) -> Array:
    own = jax.random.fold_in(jax.random.fold_in(key, _LEAF), index)
    keep = keep_probability(rate, leaf.ndim)
    return select(draw_for(leaf, own, keep, leaf.shape, 16), leaf, keep, 16, scale)


def embedding_dropout(
    key: Key[Array, ""], table: Float[Array, "words ..."], rate: ArrayLike
) -> Float[Array, "words ..."]:
    r"""Drops whole words of an embedding table, each at all the places where it occurs.

    $$E'_w = m_w \, E_w / q, \qquad m_w \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability. Look the words up in the result. To drop other words in each
    sequence, map over keys with `jax.vmap`. With many words and few places, the same comes cheaper
    from a mask over words: `mask = keep_mask(key, rate, (words, 1))`, then
    `apply_mask(mask[ids], table[ids], rate)`.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      table: floating-point, of shape (words, features); there may be more feature axes.
      rate: the probability to drop a word: a number, or an array of one rate a word, of size 1 on
        the feature axes.

    Returns:
      An array of the shape and dtype of `table`.

    Raises:
      ValueError: a table without feature axes, a wrong rate, several keys.
      TypeError: no key, no number as rate, or a table that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> table = jaxdrop.embedding_dropout(jax.random.key(8), jnp.ones((3, 2)), 0.5)
      >>> table[jnp.array([0, 1, 2, 1])].tolist()
      [[2.0, 2.0], [2.0, 2.0], [0.0, 0.0], [2.0, 2.0]]

    References:
      Gal & Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
      Networks, 2016.
    """
    key = checks.as_key(key, "embedding_dropout(key, table, rate)")
    table = checks.check_data(table)
    checks.check_rank("a table", table, 2, "(words, features)")
    return dropout(key, table, rate, broadcast_dims=range(1, table.ndim))
