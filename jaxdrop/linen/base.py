"""A Flax Linen module over an operator: it resolves mode, rate and key, then calls the operator."""

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop.flax_shared import (
    Operation,
    OverOperator,
    check_options,
    check_site,
    hashable,
    known_rate,
)

Open: Any = object  # to type checkers, what may have more fields than its class body names


class DropSite(OverOperator, nn.Dropout, Open):
    """What has a mode, a key and the options of an operator; each kind of site has its own call."""

    rate: Any  # a number, nested tuples of them, or a traced array

    @classmethod
    def _declare(cls, options: Mapping[str, inspect.Parameter]) -> None:
        """Fields of the dataclass, unless it has or inherits them."""
        held = {each.name for each in fields(cls)} | vars(cls).keys()
        new = {name: p for name, p in options.items() if name not in held}
        for name, p in new.items():
            default = MISSING if p.default is p.empty else p.default
            setattr(cls, name, field(default=default, kw_only=True))
        kinds = {name: p.annotation for name, p in new.items()}
        cls.__annotations__ = vars(cls).get("__annotations__", {}) | kinds

    def __post_init__(self) -> None:
        """Checks rate and options; Linen's transforms hash what a module holds."""
        operation = self._operation
        if "broadcast_dims" not in operation.options and hashable(self.broadcast_dims) != ():
            raise ValueError(
                f"Expected no broadcast_dims for {type(self).__name__}, which ties axes by its "
                f"own options; got {self.broadcast_dims}."
            )
        check_site(self.deterministic, self.rng_collection)
        self.rate = _hold(self.rate, operation)
        options = {name: hashable(getattr(self, name)) for name in operation.options}
        check_options(operation.operator, options)
        for name, value in options.items():
            setattr(self, name, value)
        super().__post_init__()

    @nn.nowrap
    def _call(self, inputs: Any, deterministic: bool | None, rng: Any, rate: Any) -> Any:
        held: Any = self.rate if rate is None else rate
        known = self._operation.known(held, rate is None)
        mode = nn.merge_param("deterministic", self.deterministic, deterministic)
        if mode or known == 0:
            return inputs
        certain = known in self._operation.certain
        key = jax.random.key(0) if certain else self._next_key(rng)
        return self._operation.run(self, key, inputs, held)

    @nn.nowrap
    def _next_key(self, rng: Key[Array, ""] | None) -> Key[Array, ""]:
        return self.make_rng(self.rng_collection) if rng is None else rng


class DropModule(DropSite):
    """A site with a rate: Flax's Dropout with an operator in the place of its arithmetic.

    A subclass names its operator, `class DropPath(DropModule, operator=jaxdrop.drop_path)`, and has
    an attribute for each of its keyword-only arguments. Formula, options, errors and paper are the
    operator's.

    Attributes:
      rate: the probability to drop: a number, or an array, which is held as nested tuples.
      deterministic: True passes the inputs through; None leaves it to the call.
      rng_collection: the name of the key among the `rngs` of `apply`.
    """

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
          rng: a key instead of one from `rng_collection`.
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


def _hold(rate: ArrayLike, operation: Operation) -> ArrayLike:
    """An array as nested tuples, because what a Linen module holds is hashed by its transforms."""
    known_rate(rate, operation.check)
    return rate if isinstance(rate, Tracer) else hashable(np.asarray(rate).tolist())
