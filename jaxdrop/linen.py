"""Flax Linen modules: each resolves mode, rate and key, then calls its operator."""

from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import jax
import numpy as np
from flax import linen as nn
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.dropout import dropout
from jaxdrop.modules import is_traced, known_rate


class _Module(nn.Dropout):
    """Flax's Dropout with an operator in the place of its arithmetic.

    A module names its `operator` and those of its attributes that are the operator's `options`.
    """

    rate: ArrayLike  # pyright: ignore[reportIncompatibleVariableOverride]
    operator: ClassVar[Callable[..., Array]]
    options: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        self.rate = _hold(self.rate)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        inputs: Inexact[Array, "*shape"],
        deterministic: bool | None = None,
        rng: Key[Array, ""] | None = None,
        *,
        rate: ArrayLike | None = None,
    ) -> Inexact[Array, "*shape"]:
        """Drops and rescales, unless deterministic.

        Args:
          inputs: floating-point data of any shape.
          deterministic: True returns the inputs as they are; passed here or to the constructor.
          rng: a key, typed or legacy, instead of one from `rng_collection`.
          rate: the probability to drop, before the constructor's; may be traced.

        Returns:
          An array of the shape and dtype of `inputs`.

        Raises:
          ValueError: `deterministic` is passed to both call and constructor, or to neither; a rate
            outside [0, 1].
          TypeError: `rng` is no key.
          flax.errors.InvalidRngError: a key is needed, and `apply` was given none.

        """
        rate = self.rate if rate is None else rate
        known = known_rate(rate)
        mode = nn.merge_param("deterministic", self.deterministic, deterministic)
        if mode or known == 0:
            return inputs
        key = jax.random.key(0) if known == 1 else self._next_key(rng)  # at rate 1 none is used
        options = {name: getattr(self, name) for name in self.options}
        return type(self).operator(key, inputs, rate, **options)

    def _next_key(self, rng: Key[Array, ""] | None) -> Key[Array, ""]:
        return self.make_rng(self.rng_collection) if rng is None else rng


def _hold(rate: ArrayLike) -> ArrayLike:
    """An array as nested tuples, because what a Linen module holds is hashed by its transforms."""
    known_rate(rate)
    return rate if is_traced(rate) else _tuples(np.asarray(rate).tolist())


def _tuples(nested: Any) -> Any:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested


class Dropout(_Module):
    r"""`jaxdrop.dropout` as a Flax Linen module, in the place of `flax.linen.Dropout`.

    $$y_i = m_i \, x_i / q, \qquad m_i \sim \mathrm{Bernoulli}(q), \qquad q = 1 - rate$$

    in training; the inputs themselves if deterministic. Names, arguments and random streams are
    Flax's; with `bits=32` so are the mask and, in float32, the output to the bit. A rate that is
    known to be 0 or 1 asks for no key.

    Attributes:
      rate: the probability to drop, in [0, 1]: a number, or an array that broadcasts to the inputs
        (tied axes at size 1), which is held as nested tuples. It is never a variable.
      broadcast_dims: the axes along which elements share their fate.
      deterministic: True passes the inputs through; None leaves it to the call.
      rng_collection: the name of the key among the `rngs` of `apply`.
      bits: 8, 16 or 32, see `jaxdrop.dropout`.

    Raises:
      ValueError: a rate outside [0, 1], or another number of bits.
      TypeError: no number as rate.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from jaxdrop.linen import Dropout
      >>> class Block(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         return Dropout(0.5, deterministic=not train)(nn.Dense(4)(x))
      >>> model, x = Block(), jnp.ones((2, 3))
      >>> variables = model.init(jax.random.key(0), x, train=False)
      >>> y = model.apply(variables, x, train=True, rngs={"dropout": jax.random.key(1)})
      >>> bool((y == 0).any())
      True

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    """

    bits: int = field(default=16, kw_only=True)

    operator = staticmethod(dropout)
    options = ("broadcast_dims", "bits")

    def __post_init__(self) -> None:
        """Checks what can be checked before the first call."""
        checks.check_bits(self.bits)
        super().__post_init__()
