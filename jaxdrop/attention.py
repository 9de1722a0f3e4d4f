"""Dropout of attention weights."""

from collections.abc import Sequence

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jaxdrop import checks
from jaxdrop.dropout import dropout


def attention_dropout(
    key: Key[Array, ""],
    weights: Float[Array, "... queries keys"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
) -> Float[Array, "... queries keys"]:
    r"""Drops attention weights after the softmax, for each example, head, query and key alone.

    $$A'_{bhqk} = m_{bhqk} \, A_{bhqk} / q, \qquad m_{bhqk} \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability. The weights of a query then sum to 1 in expectation, not in each
    draw, as in the Transformer. Flax by default shares one mask between all examples and heads;
    here this must be asked for: `broadcast_dims=(0, 1)`. Masking is untouched: what the softmax
    gave no weight keeps none.

    Args:
      key: one key, typed or legacy.
      weights: floating-point, of shape (..., queries, keys), for instance (batch, heads, queries,
        keys).
      rate: the probability to drop, in [0, 1]: a number, or an array that broadcasts to the shape
        of `weights` with its tied axes at size 1, for instance one rate a head. A traced rate
        cannot be checked; it is clipped, and NaN drops everything.
      broadcast_dims: the axes that share the mask.

    Returns:
      An array of the shape and dtype of `weights`.

    Raises:
      ValueError: weights of fewer than two axes, an axis that they do not have, a rate outside
        [0, 1] or of a shape that does not broadcast, several keys.
      TypeError: no key, no number as rate, or weights that are not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> weights = jax.nn.softmax(jnp.zeros((2, 4, 3, 8)))
      >>> dropped = jaxdrop.attention_dropout(jax.random.key(0), weights, 0.5)
      >>> sorted(set(dropped.ravel().tolist()))
      [0.0, 0.25]

    References:
      Vaswani et al., Attention Is All You Need, 2017.

    """
    key = checks.check_key(key, "attention_dropout(key, weights, rate)")
    weights = checks.check_data(weights)
    checks.check_rank("attention weights", weights, 2, "(..., queries, keys)")
    return dropout(key, weights, rate, broadcast_dims=broadcast_dims)
