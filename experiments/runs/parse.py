"""JSON from outside becomes what the code relies on, or a message that names the bad place."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from experiments.errors import InputError, expect

T = TypeVar("T")
WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
}


def read(kind: type[T], path: Path) -> T:
    """A dataclass from a file of JSON."""
    return parse(kind, load(path), path.name)


def load(path: Path) -> Any:
    """JSON, of whatever kind."""
    try:
        expect(path.is_file(), f"a file {path}", "none")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"Expected JSON in {path}; got: {error}.") from None


def parse(kind: Any, value: Any, where: str) -> Any:
    """The value as a kind: plain, literal, optional, tuple, dictionary or dataclass of these."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), value, where)
    if origin is typing.Literal:
        expect(value in parts, f"{where} among {', '.join(map(repr, parts))}", repr(value))
        return value
    if origin is types.UnionType:  # with None
        return None if value is None else parse(parts[0], value, where)
    if origin is tuple:
        expect(isinstance(value, list), f"a list as {where}", _shown(value))
        return tuple(parse(parts[0], each, f"{where}[{i}]") for i, each in enumerate(value))
    if origin is dict:
        expect(isinstance(value, dict), f"an object as {where}", _shown(value))
        return {name: parse(parts[1], each, f"{where}.{name}") for name, each in value.items()}
    return _plain(kind, value, where)


def _dataclass(kind: type, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    expect(isinstance(value, dict), f"an object as {where}", _shown(value))
    given, wanted = ", ".join(sorted(value)) or "none", ", ".join(hints)
    expect(value.keys() == hints.keys(), f"the entries {wanted} in {where}", given[:200])
    return kind(
        **{name: parse(hint, value[name], f"{where}.{name}") for name, hint in hints.items()}
    )


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    same = type(value) is kind or (kind, type(value)) in ((float, int), (Path, str))
    expect(same, f"{WORDS[kind]} as {where}", _shown(value))
    try:
        return kind(value)
    except OverflowError:
        raise InputError(f"Expected {WORDS[kind]} as {where}; got one too large.") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:80] + "…"
