"""The words of a command line become a call; one that nobody knows is answered in a line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from inspect import signature
from typing import Any, get_type_hints

import tyro

from experiments.errors import expect
from experiments.studies.settings import flag

OPTIONS = (tyro.conf.OmitArgPrefixes,)
Commands = Mapping[str, Callable[..., Any]]


def call(prog: str, commands: Commands, words: Sequence[str], kind: str, listed: str) -> Any:
    """Calls the command that the first word names, with what the others say."""
    if words[:1] in ([], ["-h"], ["--help"]):
        return tyro.extras.subcommand_cli_from_dict(
            {**commands}, prog=prog, args=words, config=OPTIONS
        )
    word, *rest = words
    name = word.replace("_", "-")
    expect(name in commands, kind, repr(word), _near(name, commands) or listed)
    command, prog = commands[name], f"{prog} {name}"
    _check_options(name, command, rest, f"See {prog} --help.")
    return tyro.cli(command, prog=prog, args=rest, config=OPTIONS)


def _check_options(name: str, command: Callable[..., Any], words: Sequence[str], see: str) -> None:
    """The parser would answer with a page."""
    known = ["-h", "--help", *_options(command)]
    for word in words:
        typed = word.partition("=")[0]
        misspelt = re.match(r"--?[^\W\d]", word) and typed.replace("_", "-") not in known
        fix = f"{_near(typed, known)} {see}".strip()
        expect(not misspelt, f"an option of {name}", typed, fix)


def _options(kind: Any) -> Iterator[str]:
    """Those of a command, or of a group."""
    hints = get_type_hints(kind)
    for name in signature(kind).parameters:
        if is_dataclass(hints[name]):
            yield from _options(hints[name])
        else:
            yield flag(name)
            if hints[name] is bool:
                yield flag(f"no_{name}")


def _near(word: str, names: Iterable[str]) -> str:
    bare = {name.lstrip("-"): name for name in names}
    near = get_close_matches(word.lstrip("-"), bare, 1)
    return f"Did you mean {bare[near[0]]}?" if near else ""
