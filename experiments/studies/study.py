"""What all studies have in common."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.runs.execute import Runnable
from experiments.training import devices
from experiments.training.chunks import Layout

Layouts = Mapping[str, Layout]
"""How the cases of a run were cut up, by their titles."""

UNTIMED = "a time that nobody has taken"


class Study(NamedTuple):
    """Its claim, its usual settings, what it hands over to be run, which data it lacks."""

    claim: str
    defaults: Any
    prepare: Callable[[Any, Layouts], Runnable[Any]]
    """Cuts the work up as it was, or else as memory has it."""
    lacks: Callable[[Any], str] = lambda _: ""
    """In words; nothing if none are."""
    takes: str = UNTIMED
    """How long, with its usual settings, and on what."""


def how_long(documentation: str | None) -> str:
    """What a study's module says of it."""
    said = re.search(r"^Takes (.+)\.$", documentation or "", re.MULTILINE)
    return said[1] if said else UNTIMED


def notice(name: str, takes: str, smoke: bool) -> str:
    """How long it will take, and with which settings."""
    with_what, long = ("--smoke", "seconds") if smoke else ("its usual settings", takes)
    return f"With {with_what} {name} takes {long}."


def folder(runs: Path, name: str, smoke: bool) -> Path:
    """Of a study's run among others; one that concludes nothing stands beside those that do."""
    return runs / (f"{name}-smoke" if smoke else name)


def hurry(smoke: bool) -> None:
    """A smoke run is over before good programs would be compiled."""
    if smoke:
        jax.config.update("jax_disable_most_optimizations", True)


def whole(prepare: Callable[[Any], Runnable[Any]]) -> Callable[[Any, Layouts], Runnable[Any]]:
    """Of networks that are not cut up: one process trains them."""

    def prepared(settings: Any, _: Layouts) -> Runnable[Any]:
        devices.alone("such a study")
        return prepare(settings)

    return prepared
