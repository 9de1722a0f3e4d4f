"""A Flax Linen module over an operator: it resolves mode, rate and key, then calls the operator."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np
from flax import linen as nn
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.modules import Check, explain, hashable, is_traced, known_rate, options_of

_COMMON = """\
  deterministic: True passes the inputs through; None leaves it to the call.
  rng_collection: the name of the key among the `rngs` of `apply`."""


class DropModule(nn.Dropout):
    """Flax's Dropout with an operator in the place of its arithmetic.

    A subclass names its `operator`, and has an attribute for each of its keyword-only arguments.
    """

    rate: Any  # a number, nested tuples of them, or a traced array
    operator: ClassVar[Callable[..., Array]]
    options: ClassVar[tuple[str, ...]] = ()
    check: ClassVar[Check] = staticmethod(checks.check_rate)
    certain: ClassVar[tuple[float, ...]] = (0.0, 1.0)  # the rates that need no key

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Takes the options over from the operator."""
        super().__init_subclass__(**keywords)
        if "operator" in vars(cls) and "options" not in vars(cls):
            cls.options = tuple(options_of(cls.operator))
            if "Attributes:" not in (cls.__doc__ or ""):
                cls.__doc__ = explain(cls.__doc__, cls.operator, _COMMON)

    def __post_init__(self) -> None:
        """Checks the rate; Linen's transforms hash what a module holds."""
        if self.broadcast_dims and "broadcast_dims" not in self.options:
            raise ValueError(
                f"Expected no broadcast_dims for {type(self).__name__}, which ties axes by its "
                f"own options; got {self.broadcast_dims}."
            )
        self.rate = _hold(self.rate, self.check)  # pyright: ignore[reportIncompatibleVariableOverride]
        for name in self.options:
            setattr(self, name, hashable(getattr(self, name)))
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        inputs: Inexact[Array, "*shape"],
        deterministic: bool | None = None,
        rng: Key[Array, ""] | None = None,
        *,
        rate: ArrayLike | None = None,
    ) -> Inexact[Array, "..."]:
        """Calls the operator, unless deterministic.

        Args:
          inputs: floating-point data, of the shape that the operator takes.
          deterministic: True returns the inputs as they are; passed here or to the constructor.
          rng: a key, typed or legacy, instead of one from `rng_collection`.
          rate: the probability to drop, before the constructor's; may be traced.

        Returns:
          What the operator returns: in most cases an array like `inputs`.

        Raises:
          ValueError: `deterministic` is passed to both call and constructor, or to neither; a rate
            outside [0, 1].
          TypeError: `rng` is no key.
          flax.errors.InvalidRngError: a key is needed, and `apply` was given none.

        """
        return self._call(inputs, deterministic, rng, rate)

    def _call(self, inputs: Any, deterministic: bool | None, rng: Any, rate: Any) -> Any:
        held: Any = self.rate if rate is None else rate
        known = known_rate(held, self.check)
        mode = nn.merge_param("deterministic", self.deterministic, deterministic)
        if mode or known == 0:
            return inputs
        key = jax.random.key(0) if known in self.certain else self._next_key(rng)
        options = {name: getattr(self, name) for name in self.options}
        return type(self).operator(key, inputs, held, **options)

    def _next_key(self, rng: Key[Array, ""] | None) -> Key[Array, ""]:
        return self.make_rng(self.rng_collection) if rng is None else rng


def _hold(rate: ArrayLike, check: Check) -> ArrayLike:
    """An array as nested tuples, because what a Linen module holds is hashed by its transforms."""
    known_rate(rate, check)
    return rate if is_traced(rate) else hashable(np.asarray(rate).tolist())
