"""A rate that is learned."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Float32, Key, PyTree

from jaxdrop import checks
from jaxdrop.dropout import redrawn
from jaxdrop.noise import uniforms
from jaxdrop.probability import align, widen

_FAR = 80.0  # sigmoid(-80) is nearly the least float32


def concrete_dropout(
    key: Key[Array, ""],
    x: Float[Array, "*shape"],
    logit: ArrayLike,
    *,
    temperature: ArrayLike = 0.1,
    broadcast_dims: Sequence[int] = (),
) -> Float[Array, "*shape"]:
    r"""Drops softly, so that gradients reach the rate p = sigmoid(logit).

    $$y_i = \frac{1 - z_i}{1 - p} x_i, \qquad
    z_i = \mathrm{sigmoid}\left(\frac{logit + \log u_i - \log(1 - u_i)}{temperature}\right)$$

    with `u_i` uniform on (0, 1). As the temperature falls, this becomes `dropout` at rate p. Above
    0 most factors are near 0 or 1, none is exact, and the mean stays only nearly. The backward pass
    keeps `x` and the logit, never the noise. The logit wants `concrete_regularizer` in the loss.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: real floating-point data of any shape. The product is taken in at least float32.
      logit: log(p / (1 - p)), any real number, or an array that broadcasts to the shape of `x` with
        its tied axes at size 1. At -inf `x` returns bit for bit, at inf zeros.
      temperature: how soft the choice is: one number above 0, traced too.
      broadcast_dims: the axes along which elements share their noise.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a logit that is NaN or of a shape that does not broadcast, a temperature that is
        not above 0, an axis that `x` does not have, several keys.
      TypeError: no key, no number as logit or temperature, or data that is not real floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> def loss(logit):
      ...     y = jaxdrop.concrete_dropout(jax.random.key(0), jnp.ones(1000), logit)
      ...     return (y**2).mean()
      >>> bool(jax.grad(loss)(-1.0) > 0)  # more dropout, more variance
      True

    References:
      Gal, Hron and Kendall, Concrete Dropout, 2017.
    """
    key = checks.as_key(key, "concrete_dropout(key, x, logit)")
    x = checks.check_real_data(x)
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    asked, heat = _check_logit(logit, drawn), checks.check_positive("temperature", temperature)
    return _drop_softly(key, x, asked, heat, drawn=drawn)


def _check_logit(logit: ArrayLike, drawn: tuple[int, ...]) -> np.ndarray | Tracer:
    fix = "It is log(p / (1 - p)) of the rate p."
    return checks.check_number(
        "logit", logit, drawn, "that is no NaN", lambda values: ~np.isnan(values), fix
    )


@redrawn("drawn")
def _drop_softly(
    key: Array, x: Array, logit: Array, temperature: Array, *, drawn: tuple[int, ...]
) -> Array:
    asked, wide = align(jnp.asarray(logit, jnp.float32), x.ndim), widen(x)
    logit, heat = jnp.clip(asked, -_FAR, _FAR), jnp.asarray(temperature, jnp.float32)
    u = uniforms(key, x, drawn)
    softness = (logit + jnp.log(u) - jnp.log1p(-u)) / heat
    factor = jnp.exp(jax.nn.log_sigmoid(-softness) - jax.nn.log_sigmoid(-logit))
    y = (wide * factor.astype(wide.dtype)).astype(x.dtype)
    return jnp.where(asked == -jnp.inf, x, jnp.where(asked < jnp.inf, y, jnp.zeros((), x.dtype)))


def concrete_regularizer(
    logit: ArrayLike,
    weights: PyTree[Float[Array, "..."]],
    *,
    input_dim: int,
    weight_regularizer: ArrayLike,
    dropout_regularizer: ArrayLike,
) -> Float32[Array, ""]:
    r"""The price of a learned rate: high for certain inputs, high for large weights.

    $$c_w \frac{\lVert W \rVert^2}{1 - p} + c_d \, d \, (p \log p + (1 - p) \log(1 - p))$$

    The first term alone would end at p = 0; the second, the negative entropy of the mask, pulls p
    to 1/2. It is added to the mean loss of an example.

    Args:
      logit: log(p / (1 - p)) of the layer's rate p, one number.
      weights: the parameters of the layer behind the dropout, an array or a pytree of them.
      input_dim: `d`, how many features are dropped (channels, where their axes are tied).
      weight_regularizer: `c_w`; the authors take l**2 / (tau * N) with a prior length scale l, the
        precision tau of the noise (1 in classification) and N examples.
      dropout_regularizer: `c_d`; the authors take 2 / (tau * N) beside a mean squared error, and
        1 / N beside a cross entropy.

    Returns:
      One float32 number.

    Raises:
      ValueError: a logit that is NaN or not one number, a coefficient or `input_dim` not above 0.
      TypeError: no number as one of these, or weights that are not real floating-point.

    Example:
      >>> import jax.numpy as jnp, jaxdrop
      >>> price = jaxdrop.concrete_regularizer(
      ...     0.0, jnp.ones((3, 2)), input_dim=3, weight_regularizer=0.1, dropout_regularizer=1.0
      ... )
      >>> print(f"{price:.4f}")  # 0.1 * 6 / 0.5 - 3 * log(2)
      -0.8794

    References:
      Gal, Hron and Kendall, Concrete Dropout, 2017.
    """
    asked = jnp.asarray(_check_logit(logit, ()), jnp.float32)
    on_weights = checks.check_positive("weight_regularizer", weight_regularizer)
    on_dropout = checks.check_positive("dropout_regularizer", dropout_regularizer)
    features = checks.check_positive("input_dim", input_dim)
    logit = jnp.clip(asked, -_FAR, _FAR)
    kept, dropped = jax.nn.log_sigmoid(-logit), jax.nn.log_sigmoid(logit)
    entropy = -(jnp.exp(dropped) * dropped + jnp.exp(kept) * kept)
    squares = [jnp.square(widen(checks.check_real_data(w))) for w in jax.tree.leaves(weights)]
    norm = sum((square.sum().astype(jnp.float32) for square in squares), jnp.float32(0))
    return on_weights * norm * jnp.exp(-kept) - on_dropout * features * entropy
