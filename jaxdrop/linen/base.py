"""A Flax Linen module over an operator: it resolves mode, rate and key, then calls the operator."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np
from flax import linen as nn
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.flax_shared import (
    Check,
    Operation,
    check_options,
    check_site,
    explain,
    hashable,
    is_traced,
    options_of,
)

_COMMON = """\
  deterministic: True passes the inputs through; None leaves it to the call.
  rng_collection: the name of the key among the `rngs` of `apply`."""


class DropModule(nn.Dropout):
    """Flax's Dropout with an operator in the place of its arithmetic.

    A subclass names its operator, `class DropPath(DropModule, operator=jaxdrop.drop_path)`, and has
    an attribute for each of its keyword-only arguments.
    """

    rate: Any  # a number, nested tuples of them, or a traced array
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
        if "Attributes:" not in (cls.__doc__ or ""):
            cls.__doc__ = explain(cls.__doc__, operator, _COMMON)

    def __post_init__(self) -> None:
        """Checks rate and options; Linen's transforms hash what a module holds."""
        operation = self._operation
        if "broadcast_dims" not in operation.options and hashable(self.broadcast_dims) != ():
            raise ValueError(
                f"Expected no broadcast_dims for {type(self).__name__}, which ties axes by its "
                f"own options; got {self.broadcast_dims}."
            )
        check_site(self.deterministic, self.rng_collection)
        self.rate = _hold(self.rate, operation)  # pyright: ignore[reportIncompatibleVariableOverride]
        options = {name: hashable(getattr(self, name)) for name in operation.options}
        check_options(operation.operator, options)
        for name, value in options.items():
            setattr(self, name, value)
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

    @nn.nowrap
    def _call(self, inputs: Any, deterministic: bool | None, rng: Any, rate: Any) -> Any:
        held: Any = self.rate if rate is None else rate
        known = self._operation.known(held)
        mode = nn.merge_param("deterministic", self.deterministic, deterministic)
        if mode or known == 0:
            return inputs
        certain = known in self._operation.certain
        key = jax.random.key(0) if certain else self._next_key(rng)
        return self._operation.run(self, key, inputs, held)

    @nn.nowrap
    def _next_key(self, rng: Key[Array, ""] | None) -> Key[Array, ""]:
        return self.make_rng(self.rng_collection) if rng is None else rng


def _hold(rate: ArrayLike, operation: Operation) -> ArrayLike:
    """An array as nested tuples, because what a Linen module holds is hashed by its transforms."""
    operation.known(rate)
    return rate if is_traced(rate) else hashable(np.asarray(rate).tolist())
