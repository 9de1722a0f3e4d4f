"""The classical convention: training leaves what it keeps as it is, inference shrinks."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact

from jaxdrop import checks
from jaxdrop.masks import cut
from jaxdrop.probability import keep_probability, shrink


def classical_inference(x: Inexact[Array, "*shape"], rate: ArrayLike) -> Inexact[Array, "*shape"]:
    r"""Shrinks activations to their mean under `dropout(..., scale=False)`.

    $$y_i = (1 - rate) \, x_i$$

    Today's convention is inverted: training divides by 1 - rate, and inference does nothing. Both
    agree in expectation; only one of them may be used at a time.

    Args:
      x: floating-point data of any shape.
      rate: the rate of training, in [0, 1]: a number, or an array that broadcasts to the shape of
        `x`. A traced rate is clipped, and NaN counts as 1. No gradient flows to it.

    Returns:
      An array of the shape and dtype of `x`; zeros where the rate is 1, even for inf and NaN.

    Raises:
      ValueError: a rate outside [0, 1] or of a shape that does not broadcast.
      TypeError: no number as rate, or data that is not floating-point.

    Example:
      A dense layer of three units in a classroom, at rate 0.5, with the mask [1, 0, 1]:

      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> weights = jnp.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
      ...                      [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
      ...                      [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]])
      >>> h = jax.nn.relu(weights @ jnp.arange(1.0, 9.0) + jnp.array([0.1, 0.2, 0.3]))
      >>> mask = jnp.array([True, False, True])
      >>> def show(y):
      ...     print([f"{value:.2f}" for value in y])
      >>> show(jaxdrop.apply_mask(mask, h, 0.5, scale=False))  # classical, training
      ['20.50', '0.00', '27.90']
      >>> show(jaxdrop.classical_inference(h, 0.5))  # classical, inference
      ['10.25', '12.10', '13.95']
      >>> show(jaxdrop.apply_mask(mask, h, 0.5))  # inverted, training
      ['41.00', '0.00', '55.80']
      >>> show(h)  # inverted, inference
      ['20.50', '24.20', '27.90']

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    """
    x = checks.check_data(x)
    keep = keep_probability(checks.check_rate(rate, x.shape), x.ndim)
    return cut(jnp.bool_(True), shrink(x, keep), keep, 32)
