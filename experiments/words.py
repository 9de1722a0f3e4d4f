"""How things are said: numbers of things, times, and options that have no value of their own."""

import re
from typing import Annotated, TypeVar

import tyro

T = TypeVar("T")
Unset = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]
"""An option whose help says what holds where it is not given."""
Unnamed = Annotated[T, tyro.conf.arg(name="")]
"""Options of a command itself: its help heads them by their group alone, if they have one."""

LEFTWARDS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+"
MARK = "\u200e"


def in_order(text: str) -> str:
    """Ends each name that is written to the left by a mark, or numbers behind it would be, too."""
    return re.sub(rf"{LEFTWARDS}(?:\s+{LEFTWARDS})*", rf"\g<0>{MARK}", text)


def counted(number: int, noun: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """In the unit that people would choose, and no more exact than an estimate is."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return counted(round(seconds / length), unit)
    return counted(max(1, round(seconds)), "second")
