"""What the Flax adapters share about the rate of a module. It loads no Flax."""

import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdrop import checks


def is_traced(rate: object) -> bool:
    """Whether the rate has no values before the program runs."""
    return isinstance(rate, Tracer)


def known_rate(rate: ArrayLike) -> float | None:
    """The rate, checked, if it is one number that is known before anything runs.

    Flax asks for no key where that number is 0 or 1, so its random streams do not advance, and
    neither may ours.
    """
    checks.check_rate(rate, np.shape(rate))
    return None if is_traced(rate) or np.ndim(rate) else float(np.asarray(rate))
