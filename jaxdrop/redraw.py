"""Masks that are drawn again in backward, so that none is held in memory."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array


def redraw(run: Callable[..., Array], *arguments: Any) -> Array:
    """Calls `run` so that backward keeps its arguments alone, the key among them.

    `prevent_cse` is off: no barrier may stand between the draw and what it fuses with.
    """
    return jax.checkpoint(run, prevent_cse=False)(*arguments)
