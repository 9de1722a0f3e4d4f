"""The rules of `jaxdrop.nnx.insert`, as they are typed."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
from flax import nnx

from experiments.errors import expect
from experiments.models.surgery import Rule
from jaxdrop.nnx import (
    Dropout,
    DropPath,
    after,
    after_activations,
    before_last,
    in_attention,
    on_branches,
)

ELEMENT, PATH = partial(Dropout, 0.5), partial(DropPath, 0.5)  # at rates that are set later
OF_KINDS = {"after": after, "before-last": before_last}
ALONE: Mapping[str, Callable[[jax.ShapeDtypeStruct], Rule]] = {
    "after-activations": lambda _: after_activations(ELEMENT),
    "in-attention": lambda _: in_attention(0.5),
    "on-branches": lambda example: on_branches(PATH, example),
}
NAMES = ("after:CLASS", "before-last:CLASS", *ALONE)


def rule(words: str, module: str, example: jax.ShapeDtypeStruct) -> Rule:
    """Classes are those of the module where the model is from, or else of Flax."""
    name, _, kinds = words.partition(":")
    known = name in OF_KINDS if kinds else name in ALONE
    expect(known, f"--insert to be one of {', '.join(NAMES)}", repr(words))
    if not kinds:
        return ALONE[name](example)
    expect(all(kinds.split(",")), "a name on each side of a comma in --insert", repr(words))
    return OF_KINDS[name](tuple(_kind(kind, module) for kind in kinds.split(",")), ELEMENT)


def _kind(name: str, module: str) -> Any:
    places = sys.modules.get(module), nnx, jax.nn
    found = next((getattr(place, name) for place in places if hasattr(place, name)), None)
    where = f"a class of the file or of flax.nnx, or a function of jax.nn, as {name} in --insert"
    expect(callable(found), where, "none of that name", "Try after:Linear.")
    return found
