"""What the Flax adapters share about rates and options. It loads no Flax."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdrop import checks

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
