"""What the call of a wrapped layer takes, so that a wrapper can pass on what both use."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flax import nnx


class Taken(NamedTuple):
    """The arguments that a call takes."""

    positions: tuple[str, ...]
    names: frozenset[str]
    anything: bool  # by keyword

    def placed(self, arguments: Sequence[Any]) -> dict[str, Any]:
        """The arguments by their names."""
        return dict(zip(self.positions, arguments, strict=False))

    def among(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What was given and is taken."""
        return {
            name: value
            for name, value in given.items()
            if value is not None and (self.anything or name in self.names)
        }


def taken_by(layer: Callable[..., Any]) -> Taken:
    """What a layer takes; a `nnx.Sequential` hands keywords to its layers."""
    own = parameters(layer)
    if not isinstance(layer, nnx.Sequential) or not len(layer.layers):
        positions = [name for name, p in own.items() if p.kind in (p.POSITIONAL_ONLY, _EITHER)]
        named = frozenset(name for name, p in own.items() if p.kind in (p.KEYWORD_ONLY, _EITHER))
        return Taken(tuple(positions), named, any(p.kind is p.VAR_KEYWORD for p in own.values()))
    # Flax's that names its `rngs` hands all other keywords to the first alone.
    parts = [taken_by(part) for part in ([layer.layers[0]] if "rngs" in own else layer.layers)]
    named = frozenset({"rngs"} & own.keys()).union(*(part.names for part in parts))
    return Taken(parts[0].positions, named, any(part.anything for part in parts))


def parameters(layer: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a call, of a module or a function; none where they cannot be seen."""
    try:
        call = layer.__call__ if isinstance(layer, nnx.Module) else layer
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return {}


_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
