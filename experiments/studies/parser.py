"""The words of a command line become a call; one that nobody knows is answered in a line."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from difflib import get_close_matches
from io import StringIO
from typing import Any

import tyro

from experiments.errors import expect

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
    known = _options(command)
    for word in words:
        typed = word.partition("=")[0]
        misspelt = re.match(r"--?[^\W\d]", word) and typed.replace("_", "-") not in known
        fix = f"{_near(typed, known)} {see}".strip()
        expect(not misspelt, f"an option of {name}", typed, fix)


def _options(command: Callable[..., Any]) -> list[str]:
    """Those that its help begins a line with."""
    helped = StringIO()
    with suppress(SystemExit), redirect_stdout(helped):
        tyro.cli(command, args=["--help"], config=OPTIONS)
    return re.findall(r"(?:^\W\W|, )(--?[a-z][\w-]*)", helped.getvalue(), re.MULTILINE)


def _near(word: str, names: Iterable[str]) -> str:
    near = get_close_matches(word, names, 1)
    return f"Did you mean {near[0]}?" if near else ""
