"""Flax NNX modules over an operator: they resolve mode, rate and key, then call the operator."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop.flax_shared import (
    Operation,
    OverOperator,
    check_options,
    check_site,
    known_rate,
)
from jaxdrop.nnx.options import OfClass, complete, signature

KeySource = nnx.Rngs | nnx.RngStream | Key[Array, ""]
Streams = nnx.Rngs | nnx.RngStream


class DropRate(nnx.Variable):
    """Rates that a module holds: state of its own, neither a parameter nor part of a random stream.

    So no optimizer sees it. Name it where a split lists its filters:
    `nnx.split(model, nnx.Param, nnx.RngState, DropRate)`, or end with `...`.
    """


class DropSite(OverOperator, nnx.Dropout):
    """What has a mode, a key and the options of an operator; each kind of site has its own call.

    It is one of Flax's, so that what selects `flax.nnx.Dropout` selects it too.
    """

    rate: Any  # a float, or a DropRate
    if TYPE_CHECKING:
        __call__: Callable[..., Any]

    @classmethod
    def _declare(cls, options: Mapping[str, inspect.Parameter]) -> None:
        if "__init__" not in vars(cls):
            cls.__signature__ = OfClass(signature(cls, options))

    def __init__(
        self,
        rate: ArrayLike | DropRate,
        *,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: Streams | None = None,
        **options: Any,
    ) -> None:
        """Checks rate and options, and forks a stream from `rngs`."""
        check_site(deterministic, rng_collection)
        super().__init__(
            _hold(rate, self._operation),
            deterministic=deterministic,
            rng_collection=rng_collection,
            rngs=rngs,
        )
        held = complete(type(self).__name__, self._operation.options, options)
        check_options(self._operation.operator, held)
        for name, value in held.items():
            setattr(self, name, value)

    def _call(
        self,
        inputs: Any,
        rate: ArrayLike | nnx.Variable | None,
        deterministic: bool | None,
        rngs: KeySource | None,
    ) -> Any:
        """Calls the operator, unless deterministic."""
        if self._is_deterministic(deterministic) or (known := self._known(rate)) == 0:
            return inputs
        return self._operation.run(self, self._key(known, rngs), inputs, self._read(rate))

    def _read(self, passed: ArrayLike | nnx.Variable | None) -> ArrayLike:
        """The rate of a call."""
        return read(self.rate if passed is None else passed)

    def _known(self, passed: ArrayLike | nnx.Variable | None) -> float | None:
        """The rate of a call, if it is one number that is known before anything runs."""
        rate = self.rate if passed is None else passed
        is_variable = isinstance(rate, nnx.Variable)
        return None if is_variable else self._operation.known(rate, passed is None)

    def _is_deterministic(self, passed: bool | None) -> bool:
        """The mode of a call."""
        mode = self.deterministic if passed is None else passed
        if mode is None:
            raise ValueError(
                f"No `deterministic` argument was provided to {type(self).__name__}. Expected True "
                "or False; got None from both call and constructor. Pass it to either, or call "
                "model.train() or model.eval(), or make a view with "
                "nnx.view(model, deterministic=...)."
            )
        return mode

    def _key(self, known: float | None, passed: KeySource | None) -> Key[Array, ""]:
        """The next key of the stream; any key where the rate is so certain that none is used."""
        if known in self._operation.certain:
            return jax.random.key(0)
        source = self.rngs if passed is None else passed
        if source is None:
            raise ValueError(
                "`deterministic` is False, but no `rngs` argument was provided to "
                f"{type(self).__name__} as either a __call__ argument or class attribute. Expected "
                "streams or a key; got None. Pass nnx.Rngs, nnx.RngStream or, in the call, a key."
            )
        stream = source[self.rng_collection] if isinstance(source, nnx.Rngs) else source
        return stream() if isinstance(stream, nnx.RngStream) else stream


class DropModule(DropSite):
    """A site with a rate: Flax's Dropout with an operator in the place of its arithmetic.

    A subclass names its operator, `class DropPath(DropModule, operator=jaxdrop.drop_path)`, and
    holds its keyword-only arguments. Formula, options, errors and paper are the operator's.

    Args:
      rate: the probability to drop. One number is static; an array, or a traced rate, is held as a
        `DropRate` variable.
      deterministic: True passes the inputs through; None leaves it to the call.
      rng_collection: the stream that is taken from `nnx.Rngs`.
      rngs: streams or one stream; the module forks its own from it.
      **options: those of the operator.
    """

    def __call__(
        self,
        inputs: Inexact[Array, "*shape"],
        *,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        rate: ArrayLike | nnx.Variable | None = None,
    ) -> Inexact[Array, "..."]:
        """Calls the operator, unless deterministic. What is passed here precedes the constructor.

        Args:
          inputs: floating-point data, of the shape that the operator takes.
          deterministic: True returns the inputs as they are.
          rngs: streams, one stream, or a key.
          rate: the probability to drop; may be traced.

        Returns:
          What the operator returns: in most cases an array like `inputs`.

        Raises:
          ValueError: neither call nor constructor has `deterministic`, or `rngs` where a key is
            needed; a rate outside [0, 1].
          TypeError: `rngs` is neither streams nor a key.
        """
        return self._call(inputs, rate, deterministic, rngs)


def read(rate: ArrayLike | nnx.Variable) -> ArrayLike:
    """The value of a rate that may be held as a variable."""
    return rate[...] if isinstance(rate, nnx.Variable) else rate


def _hold(rate: ArrayLike | nnx.Variable, operation: Operation) -> Any:
    """One number as a static float; arrays and traced rates as a variable."""
    known = known_rate(read(rate), operation.check)
    if isinstance(rate, DropRate):
        return rate
    return DropRate(jnp.asarray(read(rate), jnp.float32)) if known is None else known
