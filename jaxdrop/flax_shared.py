"""What the Flax adapters share about rates, options and sites. It loads no Flax."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdrop import checks

Path = tuple[Any, ...]  # names of attributes, indices of lists
Check = Callable[..., object]  # (rate, drawn shape)


def known_rate(rate: ArrayLike, check: Check = checks.check_rate) -> float | None:
    """The rate, checked, if it is one number that is known before anything runs.

    Flax asks for no key where that number is 0 or 1, so its random streams do not advance, and
    neither may ours.
    """
    check(rate, np.shape(rate))
    return None if isinstance(rate, Tracer) or np.ndim(rate) else float(np.asarray(rate))


class Operation(NamedTuple):
    """What the modules of a class do.

    Their class holds this, and no function: Flax's `tabulate` puts others in the place of those
    functions of a class whose names have no leading underscore, and calls them as methods.
    """

    operator: Callable[..., Any]
    options: Mapping[str, inspect.Parameter]  # keyword-only arguments: what a module holds
    check: Check
    certain: tuple[float, ...]  # the rates that need no key

    def known(self, rate: ArrayLike, is_held: bool) -> float | None:
        """The rate of a call, if it is one number that is known before anything runs.

        A float that a module holds was checked when it came there.
        """
        return rate if is_held and isinstance(rate, float) else known_rate(rate, self.check)

    def run(self, module: Any, key: Any, *data: Any) -> Any:
        """Calls the operator with the options that a module holds."""
        options = {name: getattr(module, name) for name in self.options}
        return self.operator(key, *data, **options)


def options_of(operator: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of an operator."""
    return {p.name: p for p in _parameters(operator) if p.kind is p.KEYWORD_ONLY}


def _parameters(operator: Callable[..., Any]) -> Iterable[inspect.Parameter]:
    return inspect.signature(operator).parameters.values()


class OverOperator:
    """Module classes that take the options of an operator over: all, unless some are named."""

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
        """Looks at the operator's signature, and tells Flax in Flax's way."""
        if operator is not None:
            own = options_of(operator)
            held = own if options is None else {name: own[name] for name in options}
            cls._operation = Operation(operator, held, check, certain)
            cls._declare(held)
        super().__init_subclass__(**keywords)

    @classmethod
    def _declare(cls, options: Mapping[str, inspect.Parameter]) -> None:
        """Has the class show these options in its signature."""


def hashable(option: Any) -> Any:
    """A list, of axes for instance, as a tuple: modules are hashed by Flax's transforms."""
    option = option.tolist() if isinstance(option, np.ndarray) else option
    several = isinstance(option, list | tuple | range | Iterator)
    return tuple(map(hashable, option)) if several else option


# Data that some operator takes: many tokens, and every rank that an array can have.
_SHAPES = [(2**20, 1), *((1,) * rank for rank in range(65))]
_USUAL = (1,) * 4  # the rank whose complaint is told: every operator has one that fits it
_fitting: set[tuple[Callable[..., Any], str]] = set()


def check_options(operator: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuses options that suit no data, by the operator's own checks. Nothing is computed.

    A function that is not of this package may want other data than these, so it is not tried.
    """
    case = operator, repr(options)  # 1 and True are equal, and not the same axis
    if options and operator.__module__.startswith("jaxdrop.") and case not in _fitting:
        _fit(operator, options)
        _fitting.add(case)


def _fit(operator: Callable[..., Any], options: Mapping[str, Any]) -> None:
    complaints: dict[tuple[int, ...], Exception] = {}
    arrays = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in _parameters(operator)) - 2
    for shape in _SHAPES:
        x = jax.ShapeDtypeStruct(shape, jnp.float32)
        try:
            jax.eval_shape(lambda x: operator(jax.random.key(0), *[x] * arrays, 0.0, **options), x)
        except (TypeError, ValueError) as complaint:
            complaints[shape] = complaint
        else:
            return
    raise complaints[_USUAL]


def check_site(deterministic: object, rng_collection: object) -> None:
    """Takes a mode and the name of a stream."""
    if not isinstance(deterministic, bool | np.bool_ | jax.Array | None):
        raise TypeError(
            f"Expected deterministic to be True, False or None; got {deterministic!r}. "
            "None leaves it to the call."
        )
    if not isinstance(rng_collection, str):
        raise TypeError(
            f"Expected the name of a stream as rng_collection; got {rng_collection!r}. "
            "Streams themselves are passed as rngs."
        )


class Site(NamedTuple):
    """One place where a model drops."""

    path: Path
    """Where it stands in the model."""
    kind: str
    """The name of its class; that of an attention layer for the dropout inside of it."""
    rate: Any
    """The probability to drop (the stddev of `GaussianNoise`): a number, or an array."""
    stream: str
    """The name of the stream that its keys come from."""
    deterministic: bool | None
    """Its mode: True passes inputs through, None leaves it to the call."""
