"""What a constructor takes: the arguments of every module, and the options of its operator."""

import inspect
from collections.abc import Mapping
from typing import Any

from jaxdrop.flax_shared import hashable


def complete(
    name: str, wanted: Mapping[str, inspect.Parameter], given: dict[str, Any]
) -> dict[str, Any]:
    """The options that were given, and the operator's defaults for the others."""
    missing = [name for name, p in wanted.items() if p.default is p.empty and name not in given]
    if given.keys() - wanted.keys() or missing:
        need = f", with {', '.join(missing)}" if missing else ""
        raise TypeError(
            f"Expected options of {name} among {', '.join(wanted) or 'none'}{need}; "
            f"got {', '.join(given) or 'none'}."
        )
    return {name: hashable(given.get(name, p.default)) for name, p in wanted.items()}


def signature(cls: type, options: Mapping[str, inspect.Parameter]) -> inspect.Signature:
    """What `help` shows."""
    own = list(inspect.signature(cls.__init__).parameters.values())
    shared = [p for p in own[1:] if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return inspect.Signature([*shared, *options.values()])


class OfClass:
    """A signature that a class has and its modules have not: theirs is that of their call."""

    def __init__(self, signature: inspect.Signature) -> None:
        """Holds the signature."""
        self.signature = signature

    def __get__(self, module: Any, cls: type) -> inspect.Signature:
        """Tells the class alone."""
        if module is not None:
            raise AttributeError("__signature__")
        return self.signature
