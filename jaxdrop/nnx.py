"""Flax NNX modules: each resolves mode, rate and key, then calls its operator."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.dropout import dropout
from jaxdrop.modules import known_rate

KeySource = nnx.Rngs | nnx.RngStream | Key[Array, ""]


class DropRate(nnx.Variable):
    """Rates that a module holds: state of its own, neither a parameter nor part of a random stream.

    So no optimizer sees it. Name it where a split lists its filters:
    `nnx.split(model, nnx.Param, nnx.RngState, DropRate)`, or end with `...`.
    """


class _Module(nnx.Dropout):
    """Flax's Dropout with an operator in the place of its arithmetic.

    A module names its `operator` and those of its attributes that are the operator's `options`. It
    is one of Flax's, so that what selects `flax.nnx.Dropout` selects it too.
    """

    operator: ClassVar[Callable[..., Array]]
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, rate: ArrayLike | DropRate, **flax_options: Any) -> None:
        super().__init__(_hold(rate), **flax_options)

    def __call__(
        self,
        inputs: Inexact[Array, "*shape"],
        *,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        rate: ArrayLike | nnx.Variable | None = None,
    ) -> Inexact[Array, "*shape"]:
        """Drops and rescales, unless deterministic. What is passed here precedes the constructor.

        Args:
          inputs: floating-point data of any shape.
          deterministic: True returns the inputs as they are.
          rngs: streams, one stream, or a key (typed or legacy).
          rate: the probability to drop; may be traced.

        Returns:
          An array of the shape and dtype of `inputs`.

        Raises:
          ValueError: neither call nor constructor has `deterministic`, or `rngs` where a key is
            needed; a rate outside [0, 1].
          TypeError: `rngs` is neither streams nor a key.

        """
        held = self.rate if rate is None else rate
        known = None if isinstance(held, nnx.Variable) else known_rate(held)
        if self._resolve_mode(deterministic) or known == 0:
            return inputs
        key = jax.random.key(0) if known == 1 else self._next_key(rngs)  # at rate 1 none is used
        options = {name: getattr(self, name) for name in self.options}
        return type(self).operator(key, inputs, _read(held), **options)

    def _resolve_mode(self, deterministic: bool | None) -> bool:
        mode = self.deterministic if deterministic is None else deterministic
        if mode is None:
            raise ValueError(
                "Expected deterministic=True or False; got None from both call and constructor. "
                "Pass it to either, or call model.train() or model.eval(), or make a view with "
                "nnx.view(model, deterministic=...)."
            )
        return mode

    def _next_key(self, rngs: KeySource | None) -> Key[Array, ""]:
        source = self.rngs if rngs is None else rngs
        if source is None:
            raise ValueError(
                "Expected rngs, because deterministic is False; got None from both call and "
                "constructor. Pass nnx.Rngs, nnx.RngStream or, in the call, a key."
            )
        stream = source[self.rng_collection] if isinstance(source, nnx.Rngs) else source
        return stream() if isinstance(stream, nnx.RngStream) else stream


def _hold(rate: ArrayLike | nnx.Variable) -> Any:
    """One number as a static float; arrays and traced rates as a variable."""
    if isinstance(rate, DropRate):
        return rate
    known = known_rate(_read(rate))
    return DropRate(jnp.asarray(_read(rate), jnp.float32)) if known is None else known


def _read(rate: ArrayLike | nnx.Variable) -> ArrayLike:
    return rate[...] if isinstance(rate, nnx.Variable) else rate


class Dropout(_Module):
    r"""`jaxdrop.dropout` as a Flax NNX module, in the place of `flax.nnx.Dropout`.

    $$y_i = m_i \, x_i / q, \qquad m_i \sim \mathrm{Bernoulli}(q), \qquad q = 1 - rate$$

    in training; the inputs themselves if deterministic. Names, arguments and random streams are
    Flax's; with `bits=32` so are the mask and, in float32, the output to the bit. A rate that is
    known to be 0 or 1 does not advance the stream.

    Args:
      rate: the probability to drop, in [0, 1]. One number is static. An array that broadcasts to
        the inputs (tied axes at size 1), or a traced rate, is held as a `DropRate` variable.
      broadcast_dims: the axes along which elements share their fate.
      deterministic: True passes the inputs through; None leaves it to the call.
      rng_collection: the stream that is taken from `nnx.Rngs`.
      rngs: streams or one stream; the module forks its own from it.
      bits: 8, 16 or 32, see `jaxdrop.dropout`.

    Raises:
      ValueError: a rate outside [0, 1], or another number of bits.
      TypeError: no number as rate, or `rngs` of another kind.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import Dropout
      >>> class Block(nnx.Module):
      ...     def __init__(self, rngs):
      ...         self.linear = nnx.Linear(3, 4, rngs=rngs)
      ...         self.dropout = Dropout(0.5, rngs=rngs)
      ...
      ...     def __call__(self, x, rate=None):
      ...         return self.dropout(self.linear(x), rate=rate)
      >>> model, x = Block(nnx.Rngs(0)), jnp.ones((2, 3))
      >>> model.train()
      >>> bool((model(x) == 0).any())
      True
      >>> bool((model(x, rate=1.0) == 0).all())
      True
      >>> model.eval()
      >>> bool((model(x) == model.linear(x)).all())
      True

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    """

    operator = staticmethod(dropout)
    options = ("broadcast_dims", "bits")

    def __init__(
        self,
        rate: ArrayLike | DropRate,
        *,
        broadcast_dims: Sequence[int] = (),
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs | nnx.RngStream | None = None,
        bits: int = 16,
    ) -> None:
        """Checks the rate, and forks a stream from `rngs`."""
        super().__init__(
            rate,
            broadcast_dims=tuple(broadcast_dims),
            deterministic=deterministic,
            rng_collection=rng_collection,
            rngs=rngs,
        )
        self.bits = checks.check_bits(bits)
