"""A Flax NNX module over an operator: it resolves mode, rate and key, then calls the operator."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.modules import Check, explain, hashable, known_rate, options_of

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

    A subclass names its `operator`, whose keyword-only arguments become the module's. It is one of
    Flax's, so that what selects `flax.nnx.Dropout` selects it too.
    """

    rate: Any  # a float, or a DropRate
    operator: ClassVar[Callable[..., Any]]
    options: ClassVar[tuple[str, ...]] = ()
    check: ClassVar[Check] = staticmethod(checks.check_rate)
    certain: ClassVar[tuple[float, ...]] = (0.0, 1.0)  # the rates that need no key

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Takes the options over from the operator."""
        super().__init_subclass__(**keywords)
        if "operator" not in vars(cls):
            return
        if "options" not in vars(cls):
            cls.options = tuple(options_of(cls.operator))
        if "Args:" not in (cls.__doc__ or ""):
            cls.__doc__ = explain(cls.__doc__, cls.operator, _COMMON)
        if "__init__" not in vars(cls):
            cls.__signature__ = _signature(cls)

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
        super().__init__(
            _hold(rate, self.check),
            deterministic=deterministic,
            rng_collection=rng_collection,
            rngs=rngs,
        )
        for name, value in _complete(type(self), options).items():
            setattr(self, name, hashable(value))

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
        if self.is_deterministic(deterministic) or self.known(held) == 0:
            return inputs
        options = {name: getattr(self, name) for name in self.options}
        return type(self).operator(self.key_for(held, rngs), inputs, read(held), **options)

    def known(self, held: Any) -> float | None:
        """The rate, if it is one number that is known before anything runs."""
        return None if isinstance(held, nnx.Variable) else known_rate(held, self.check)

    def is_deterministic(self, passed: bool | None) -> bool:
        """The mode of a call."""
        mode = self.deterministic if passed is None else passed
        if mode is None:
            raise ValueError(
                "Expected deterministic=True or False; got None from both call and constructor. "
                "Pass it to either, or call model.train() or model.eval(), or make a view with "
                "nnx.view(model, deterministic=...)."
            )
        return mode

    def key_for(self, held: Any, passed: KeySource | None) -> Key[Array, ""]:
        """The next key of the stream; any key where the rate is so certain that none is used."""
        if self.known(held) in self.certain:
            return jax.random.key(0)
        source = self.rngs if passed is None else passed
        if source is None:
            raise ValueError(
                "Expected rngs, because deterministic is False; got None from both call and "
                "constructor. Pass nnx.Rngs, nnx.RngStream or, in the call, a key."
            )
        stream = source[self.rng_collection] if isinstance(source, nnx.Rngs) else source
        return stream() if isinstance(stream, nnx.RngStream) else stream


def read(rate: ArrayLike | nnx.Variable) -> ArrayLike:
    """The value of a rate that may be held as a variable."""
    return rate[...] if isinstance(rate, nnx.Variable) else rate


def _hold(rate: ArrayLike | nnx.Variable, check: Check) -> Any:
    """One number as a static float; arrays and traced rates as a variable."""
    if isinstance(rate, DropRate):
        return rate
    known = known_rate(read(rate), check)
    return DropRate(jnp.asarray(read(rate), jnp.float32)) if known is None else known


def _complete(cls: type[DropModule], given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, and the operator's defaults for the others."""
    wanted = {name: p for name, p in options_of(cls.operator).items() if name in cls.options}
    missing = [name for name, p in wanted.items() if p.default is p.empty and name not in given]
    if given.keys() - wanted.keys() or missing:
        need = f", with {', '.join(missing)}" if missing else ""
        raise TypeError(
            f"Expected options of {cls.__name__} among {', '.join(wanted) or 'none'}{need}; "
            f"got {', '.join(given) or 'none'}."
        )
    return {name: given.get(name, p.default) for name, p in wanted.items()}


def _signature(cls: type[DropModule]) -> inspect.Signature:
    """What `help` shows: the arguments of every module, then the options of its operator."""
    own = list(inspect.signature(cls.__init__).parameters.values())
    shared = [p for p in own[1:] if p.kind is not inspect.Parameter.VAR_KEYWORD]
    wanted = [p for n, p in options_of(cls.operator).items() if n in cls.options]
    return inspect.Signature(shared + wanted)
