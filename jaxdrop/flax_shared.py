"""What the Flax adapters share about rates, options and sites. It loads no Flax."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdrop import checks

Path = tuple[Any, ...]  # names of attributes, indices of lists
Check = Callable[..., object]  # (rate, drawn shape)


def is_traced(rate: object) -> bool:
    """Whether the rate has no values before the program runs."""
    return isinstance(rate, Tracer)


def known_rate(rate: ArrayLike, check: Check = checks.check_rate) -> float | None:
    """The rate, checked, if it is one number that is known before anything runs.

    Flax asks for no key where that number is 0 or 1, so its random streams do not advance, and
    neither may ours.
    """
    check(rate, np.shape(rate))
    return None if is_traced(rate) or np.ndim(rate) else float(np.asarray(rate))


class Operation(NamedTuple):
    """What the modules of a class do.

    Their class holds this, and no function: Flax's `tabulate` puts others in the place of those
    functions of a class whose names have no leading underscore, and calls them as methods.
    """

    operator: Callable[..., Any]
    options: tuple[str, ...]
    check: Check
    certain: tuple[float, ...]  # the rates that need no key

    def known(self, rate: ArrayLike) -> float | None:
        """The rate, checked, if it is one number that is known before anything runs."""
        return known_rate(rate, self.check)

    def run(self, module: Any, key: Any, *data: Any) -> Any:
        """Calls the operator with the options that a module holds."""
        options = {name: getattr(module, name) for name in self.options}
        return self.operator(key, *data, **options)


def options_of(operator: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of an operator: what its module holds."""
    parameters = inspect.signature(operator).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


_SECTION = re.compile(r"^(Args|Raises|References):\n((?:  .*\n?|\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^  (\w+): .*(?:\n    .*)*", re.MULTILINE)


def explain(own: str | None, operator: Callable[..., Any], flax: str) -> str:
    """A module's docstring: its own words, and formula, options, errors and paper of its function.

    `flax` tells of the arguments that all modules have.
    """
    text = inspect.cleandoc(operator.__doc__ or "")
    formulas = [part for part in text.split("\n\n") if part.startswith("$$")]
    sections = {name: body.rstrip() for name, body in _SECTION.findall(text)}
    held = {"rate", "stddev", *options_of(operator)}
    entries = [e[0] for e in _ENTRY.finditer(sections.pop("Args", "")) if e[1] in held]
    sections = {"Args": "\n".join([*entries, flax]), **sections}
    rest = [f"{name}:\n{body}" for name, body in sections.items()]
    return "\n\n".join([inspect.cleandoc(own or ""), *formulas, *rest]) + "\n"


def hashable(option: Any) -> Any:
    """A list, of axes for instance, as a tuple: modules are hashed by Flax's transforms."""
    option = option.tolist() if isinstance(option, np.ndarray) else option
    several = isinstance(option, list | tuple | range | Iterator)
    return tuple(map(hashable, option)) if several else option


# Data that some operator takes: many tokens, and every rank that an array can have.
_SHAPES = [(2**20, 1), *((1,) * rank for rank in range(65))]
_USUAL = (1,) * 5  # the rank whose complaint is told: every operator has one that fits it
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
    for shape in _SHAPES:
        x = jax.ShapeDtypeStruct(shape, jnp.float32)
        try:
            jax.eval_shape(lambda x: operator(jax.random.key(0), x, 0.0, **options), x)
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
