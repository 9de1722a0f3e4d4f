"""What the Flax adapters share about rates, options and sites. It loads no Flax."""

import inspect
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
