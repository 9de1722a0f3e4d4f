"""Rates over the depth of a network, and over the steps of training.

A schedule is a function from the step to a rate, as in Optax, whose schedules all work as rates.
Rates may be traced, so one compilation serves a whole training.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float32

from jaxdrop import checks
from jaxdrop.steps import steps_before

Schedule = Callable[[ArrayLike], Float32[Array, "..."]]


def linear_depth(depth: int, max_rate: ArrayLike) -> Float32[Array, "depth"]:
    r"""Rates that grow linearly with depth, up to `max_rate` at the last block.

    $$r_i = \frac{i}{depth} \, r_{max}, \qquad i = 1, \dots, depth$$

    The first block is dropped too, as in the paper; timm starts at 0 instead.

    Args:
      depth: the number of blocks.
      max_rate: the last block's rate, a number in [0, 1]; it may be traced.

    Returns:
      float32 rates of shape (depth,).

    Raises:
      ValueError: a depth below 1, or a rate outside [0, 1].
      TypeError: a depth that is no integer, or no number as rate.

    Example:
      >>> from jaxdrop import rates
      >>> rates.linear_depth(4, 0.5).tolist()
      [0.125, 0.25, 0.375, 0.5]

    References:
      Huang et al., Deep Networks with Stochastic Depth, 2016.
    """
    checks.check_rate(max_rate, ())
    fractions = np.arange(1, checks.check_count("number of blocks", depth, least=1) + 1) / depth
    return _float32(max_rate) * jnp.asarray(fractions, jnp.float32)


def stepwise_depth(
    depth: int, start: ArrayLike, step: ArrayLike, cap: ArrayLike
) -> Float32[Array, "depth"]:
    r"""Rates that grow by a fixed step from block to block, up to a cap.

    $$r_i = \min(cap, \; start + step \cdot i), \qquad i = 0, \dots, depth - 1$$

    Args:
      depth: the number of blocks.
      start: the first block's rate, a number in [0, 1].
      step: what each block adds, a number that is not negative.
      cap: the highest rate, a number in [0, 1]. All three may be traced.

    Returns:
      float32 rates of shape (depth,).

    Raises:
      ValueError: a depth below 1, a rate outside [0, 1], or a negative step.
      TypeError: a depth that is no integer, or no number as rate.

    Example:
      >>> from jaxdrop import rates
      >>> rates.stepwise_depth(4, 0.25, 0.125, 0.5).tolist()
      [0.25, 0.375, 0.5, 0.5]
    """
    checks.check_rate(start, ())
    checks.check_rate(cap, ())
    _check_not_negative("step", step, "It is what each block adds to the rate.")
    index = jnp.arange(checks.check_count("number of blocks", depth, least=1), dtype=jnp.float32)
    return jnp.minimum(_float32(cap), _float32(start) + _float32(step) * index)


def by_stage(
    depths: Sequence[int], stage_rates: Sequence[ArrayLike] | Array
) -> Float32[Array, "blocks"]:
    r"""Gives every block of a stage the stage's rate.

    $$r_i = s_{k(i)}$$

    with `k(i)` the stage of block `i`.

    Args:
      depths: how many blocks each stage has, for instance (3, 4, 6, 3) in ResNet-50.
      stage_rates: a rate in [0, 1] for each stage; they may be traced.

    Returns:
      float32 rates, one for each block.

    Raises:
      ValueError: another number of rates than of stages, a stage without blocks, or a rate outside
        [0, 1].
      TypeError: a number of blocks that is no integer, or no number as rate.

    Example:
      >>> from jaxdrop import rates
      >>> rates.by_stage((1, 2, 1), (0.0, 0.25, 0.5)).tolist()
      [0.0, 0.25, 0.25, 0.5]
    """
    if not isinstance(depths, Iterable):
        raise TypeError(
            f"Expected a sequence of numbers of blocks, one for each stage; got {depths!r}. "
            "For one stage pass a tuple of one, such as (3,)."
        )
    blocks = [checks.check_count("number of blocks", depth, least=1) for depth in depths]
    if not isinstance(stage_rates, Sequence | jax.Array | np.ndarray):
        raise TypeError(f"Expected a sequence of rates, one for each stage; got {stage_rates!r}.")
    own = list(stage_rates)
    if len(own) != len(blocks):
        raise ValueError(f"Expected a rate for each of {len(blocks)} stages; got {len(own)}.")
    for rate in own:
        checks.check_rate(rate, ())
    of_stages = zip(map(_float32, own), blocks, strict=True)
    return jnp.stack([rate for rate, depth in of_stages for _ in range(depth)])


def early(
    rate: ArrayLike, cutoff: ArrayLike, *, decay: Literal["linear", "constant"] = "linear"
) -> Schedule:
    r"""Early dropout, against underfitting: dropout until a step, none after it.

    $$r(t) = rate \cdot \max(0, 1 - t / cutoff)$$

    or, with constant decay, `rate` before the cutoff and 0 from it on. Whole steps are compared as
    integers, in 64 bits.

    Args:
      rate: the rate at step 0, a number in [0, 1].
      cutoff: the first step without dropout, above 0 and finite. Both may be traced.
      decay: "linear" falls to 0 at the cutoff, as the paper recommends; "constant" jumps there.

    Returns:
      A function from the step, which may be traced, to a float32 rate.

    Raises:
      ValueError: a rate outside [0, 1], a cutoff that is not above 0 or not finite, or another
        decay.
      TypeError: no number as rate, as cutoff or as step.

    Example:
      >>> from jaxdrop import rates
      >>> schedule = rates.early(0.5, cutoff=4)
      >>> [float(schedule(step)) for step in range(6)]
      [0.5, 0.375, 0.25, 0.125, 0.0, 0.0]

    References:
      Liu et al., Dropout Reduces Underfitting, 2023.
    """
    checks.check_rate(rate, ())
    fix = "It is the first step without dropout, and finite; to drop always, pass the rate itself."
    checks.check_number("cutoff", cutoff, (), "above 0", checks.is_positive, fix)
    checks.check_choice("decay", decay, ("linear", "constant"))

    def schedule(step: ArrayLike) -> Float32[Array, "..."]:
        left = steps_before(cutoff, step)
        share = left / steps_before(cutoff, 0) if decay == "linear" else jnp.ones_like(left)
        return jnp.where(left > 0, _float32(rate) * jnp.minimum(share, 1), 0)

    return schedule


def late(rate: ArrayLike, start: ArrayLike) -> Schedule:
    r"""Late dropout, against overfitting: none until a step, dropout from it on.

    $$r(t) = rate \cdot [t \ge start]$$

    Whole steps are compared as integers, in 64 bits.

    Args:
      rate: the rate from `start` on, a number in [0, 1].
      start: the first step with dropout, not negative. Both may be traced.

    Returns:
      A function from the step, which may be traced, to a float32 rate.

    Raises:
      ValueError: a rate outside [0, 1], or a negative start.
      TypeError: no number as rate, as start or as step.

    Example:
      >>> from jaxdrop import rates
      >>> schedule = rates.late(0.5, start=2)
      >>> [float(schedule(step)) for step in range(4)]
      [0.0, 0.0, 0.5, 0.5]

    References:
      Liu et al., Dropout Reduces Underfitting, 2023.
    """
    checks.check_rate(rate, ())
    _check_not_negative("start", start, "It is the first step with dropout.")

    def schedule(step: ArrayLike) -> Float32[Array, "..."]:
        return jnp.where(steps_before(start, step) > 0, 0, _float32(rate))

    return schedule


def _float32(number: ArrayLike) -> Float32[Array, "..."]:
    return jnp.asarray(number, jnp.float32)


def _check_not_negative(name: str, number: ArrayLike, fix: str) -> None:
    checks.check_number(name, number, (), "of 0 or more", lambda values: values >= 0, fix)
