"""Masks that are drawn again in backward, so that none is held in memory."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
from jaxtyping import Array

Run = Callable[..., Array]


def redrawn(*static: str) -> Callable[[Run], Run]:
    """Compiles a function, of a key and data, whose backward keeps its arguments alone.

    The names are those of its keyword-only options. The outer `jit` is there for eager calls: JAX
    remembers what differentiating and mapping make of a compiled function, so none is traced twice.
    The inner one holds the function's constants, which backward would keep, too. `prevent_cse` is
    off: no barrier may stand between the draw and what it fuses with.
    """

    def decorate(run: Run) -> Run:
        inner = jax.jit(run, static_argnames=static)

        @partial(jax.jit, static_argnames=static)
        @wraps(run)
        def compiled(*arguments: Any, **options: Any) -> Array:
            return jax.checkpoint(partial(inner, **options), prevent_cse=False)(*arguments)

        return compiled

    return decorate
