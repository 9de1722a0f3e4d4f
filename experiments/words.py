"""How things are said: numbers of things, times, and options that have no value of their own."""

from typing import Annotated, TypeVar

import tyro

T = TypeVar("T")
Unset = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]
"""An option whose help says what holds where it is not given."""
Unnamed = Annotated[T, tyro.conf.arg(name="")]
"""Options of a command itself: its help heads them by their group alone, if they have one."""


def counted(number: int, noun: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """In the unit that people would choose, and no more exact than an estimate is."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return counted(round(seconds / length), unit)
    return counted(max(1, round(seconds)), "second")
