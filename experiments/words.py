"""How things are said: numbers of things, times, and options that have no value of their own."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

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


def settings_of(values: Mapping[str, Any]) -> str:
    """Names and values as people write them; what is not set is left out."""
    said = (_setting(name.replace("_", " "), value) for name, value in values.items())
    return "; ".join(filter(None, said))


def _setting(name: str, value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {_written(value)}"


def _written(value: object, mark: str = ", ") -> str:
    """A tuple by commas, what is a tuple in it by times."""
    if isinstance(value, tuple):
        return mark.join(_written(one, " × ") for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """In the unit that people would choose, and no more exact than an estimate is."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return counted(round(seconds / length), unit)
    return counted(max(1, round(seconds)), "second")
