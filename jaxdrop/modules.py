"""What the Flax adapters share about rates, options and sites. It loads no Flax."""

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

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
    return tuple(map(hashable, option)) if isinstance(option, list | tuple) else option


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
