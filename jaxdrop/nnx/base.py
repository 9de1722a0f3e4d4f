"""A Flax NNX module over an operator: it resolves mode, rate and key, then calls the operator."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.flax_shared import Check, Operation, check_options, check_site, explain, options_of
from jaxdrop.nnx.options import OfClass, complete, signature

KeySource = nnx.Rngs | nnx.RngStream | Key[Array, ""]
Streams = nnx.Rngs | nnx.RngStream


_COMMON = """\
  deterministic: True passes the inputs through; None leaves it to the call.
  rng_collection: the stream that is taken from `nnx.Rngs`.
  rngs: streams or one stream; the module forks its own from it."""


class DropRate(nnx.Variable):
    """Rates that a module holds: state of its own, neither a parameter nor part of a random stream.

    So no optimizer sees it. Name it where a split lists its filters:
    `nnx.split(model, nnx.Param, nnx.RngState, DropRate)`, or end with `...`.
    """


class DropModule(nnx.Dropout):
    """Flax's Dropout with an operator in the place of its arithmetic.

    A subclass names its operator, `class DropPath(DropModule, operator=jaxdrop.drop_path)`, whose
    keyword-only arguments become the module's. It is one of Flax's, so that what selects
    `flax.nnx.Dropout` selects it too.
    """

    rate: Any  # a float, or a DropRate
    _operation: ClassVar[Operation]

    def __init_subclass__(
        cls,
        *,
        operator: Callable[..., Any] | None = None,
        options: tuple[str, ...] | None = None,
        check: Check = checks.check_rate,
        certain: tuple[float, ...] = (0.0, 1.0),
        **keywords: Any,
    ) -> None:
        """Takes the options over from the operator, all of them unless they are named."""
        super().__init_subclass__(**keywords)
        if operator is None:
            return
        names = tuple(options_of(operator)) if options is None else options
        cls._operation = Operation(operator, names, check, certain)
        if "Args:" not in (cls.__doc__ or ""):
            cls.__doc__ = explain(cls.__doc__, operator, _COMMON)
        if "__init__" not in vars(cls):
            cls.__signature__ = OfClass(signature(cls, cls._operation))

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
        held = complete(type(self).__name__, self._operation, options)
        check_options(self._operation.operator, held)
        for name, value in held.items():
            setattr(self, name, value)

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
          rngs: streams, one stream, or a key (typed or legacy).
          rate: the probability to drop; may be traced.

        Returns:
          What the operator returns: in most cases an array like `inputs`.

        Raises:
          ValueError: neither call nor constructor has `deterministic`, or `rngs` where a key is
            needed; a rate outside [0, 1].
          TypeError: `rngs` is neither streams nor a key.

        """
        held = self.rate if rate is None else rate
        if self._is_deterministic(deterministic) or (known := self._known(held)) == 0:
            return inputs
        return self._operation.run(self, self._key(known, rngs), inputs, read(held))

    def _known(self, held: Any) -> float | None:
        """The rate, if it is one number that is known before anything runs."""
        return None if isinstance(held, nnx.Variable) else self._operation.known(held)

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


def read(rate: ArrayLike | nnx.Variable) -> ArrayLike:
    """The value of a rate that may be held as a variable."""
    return rate[...] if isinstance(rate, nnx.Variable) else rate


def _hold(rate: ArrayLike | nnx.Variable, operation: Operation) -> Any:
    """One number as a static float; arrays and traced rates as a variable."""
    known = operation.known(read(rate))
    if isinstance(rate, DropRate):
        return rate
    return DropRate(jnp.asarray(read(rate), jnp.float32)) if known is None else known
