"""Dropout in recurrent networks: one mask for all times, and units that stand still."""

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.checks import Rate
from jaxdrop.dropout import dropout, redrawn
from jaxdrop.masks import draw_for
from jaxdrop.probability import at_least_float32, keep_probability


def locked_dropout(
    key: Key[Array, ""], x: Inexact[Array, "*shape"], rate: ArrayLike, *, time_dim: int
) -> Inexact[Array, "*shape"]:
    r"""Drops the same elements at all times of a sequence: variational dropout.

    $$y_{bti} = m_{bi} \, x_{bti} / q, \qquad m_{bi} \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability. Call it on the whole sequence, outside the scan. A state that
    exists only inside the scan takes a mask that was drawn outside: `mask = keep_mask(key, rate,
    state.shape)`, and `apply_mask(mask, state, rate)` at every step. So no step draws random
    numbers.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: floating-point data of any shape that has a time axis.
      rate: the probability to drop: a number, or an array that broadcasts to the shape of `x` with
        size 1 at `time_dim`.
      time_dim: the axis of time, along which the mask is shared.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a wrong rate, an axis that `x` does not have, several keys.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.locked_dropout(jax.random.key(0), jnp.ones((3, 4)), 0.5, time_dim=0)
      >>> y.tolist() == [y[0].tolist()] * 3
      True

    References:
      Gal & Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
      Networks, 2016.
    """
    key = checks.as_key(key, "locked_dropout(key, x, rate, time_dim=...)")
    x = checks.check_data(x)
    return dropout(key, x, rate, broadcast_dims=(checks.check_axis("time_dim", time_dim, x.shape),))


def zoneout(
    key: Key[Array, ""],
    previous: Inexact[Array, "*shape"],
    new: Inexact[Array, "*shape"],
    rate: ArrayLike,
) -> Inexact[Array, "*shape"]:
    r"""Keeps units of a recurrent state as they were, at random, instead of updating them.

    $$h_{t,i} = m_i \, \tilde h_{t,i} + (1 - m_i) \, h_{t-1,i}, \qquad
    m_i \sim \mathrm{Bernoulli}(1 - rate)$$

    Nothing is rescaled. The paper draws a mask for each step: fold the step into the key. At
    inference it takes the expectation, `zoneout_inference`. Cell and hidden state have a call and a
    key each.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      previous: the state before the step, floating-point.
      new: the state after it, of the same shape and dtype.
      rate: the probability that a unit keeps its previous value: a number, or an array that
        broadcasts to the state.

    Returns:
      An array of the shape and dtype of the states.

    Raises:
      ValueError: a wrong rate, states of different shapes, several keys.
      TypeError: no key, no number as rate, states that are not floating-point or of different
        dtypes.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> previous, new = jnp.zeros(4), jnp.ones(4)
      >>> jaxdrop.zoneout(jax.random.key(2), previous, new, 0.5).tolist()
      [1.0, 1.0, 0.0, 1.0]

    References:
      Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations, 2017.
    """
    key = checks.as_key(key, "zoneout(key, previous, new, rate)")
    previous, new = _check_states(previous, new)
    checked = checks.check_rate(rate, new.shape)
    return new if checked.is_always(0) else _update(key, previous, new, checked)


@redrawn()
def _update(key: Array, previous: Array, new: Array, rate: Rate) -> Array:
    mask = draw_for(new, key, keep_probability(rate, new.ndim), new.shape, 16)
    return jnp.where(mask, new, previous)


def zoneout_inference(
    previous: Inexact[Array, "*shape"], new: Inexact[Array, "*shape"], rate: ArrayLike
) -> Inexact[Array, "*shape"]:
    r"""The state that `zoneout` gives in expectation, for inference.

    $$h_{t,i} = (1 - rate) \, \tilde h_{t,i} + rate \, h_{t-1,i}$$

    Args:
      previous: the state before the step, floating-point.
      new: the state after it, of the same shape and dtype.
      rate: the rate of training (see `jaxdrop`): a number, or an array that broadcasts to the
        state.

    Returns:
      An array of the shape and dtype of the states. Rates 0 and 1 give one of them bit for bit.

    Raises:
      ValueError: a wrong rate, states of different shapes.
      TypeError: no number as rate, states that are not floating-point or of different dtypes.

    Example:
      >>> import jax.numpy as jnp, jaxdrop
      >>> jaxdrop.zoneout_inference(jnp.zeros(2), jnp.ones(2), 0.25).tolist()
      [0.75, 0.75]

    References:
      Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations, 2017.
    """
    previous, new = _check_states(previous, new)
    if jnp.iscomplexobj(new):
        parts = (previous.real, new.real), (previous.imag, new.imag)
        return lax.complex(*(zoneout_inference(*part, rate) for part in parts))
    keep = keep_probability(checks.check_rate(rate, new.shape), new.ndim)
    wide = at_least_float32(new.dtype)
    share = keep.astype(wide)
    mixed = (share * new.astype(wide) + (1 - share) * previous.astype(wide)).astype(new.dtype)
    return jnp.where(keep == 1, new, jnp.where(keep == 0, previous, mixed))


def _check_states(previous: Array, new: Array) -> tuple[Array, Array]:
    previous, new = checks.check_data(previous), checks.check_data(new)
    checks.check_alike("previous", previous, "new", new)
    return previous, new
