"""A model from a file of the reader's, and what to say where that fails."""

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from experiments.errors import InputError, expect
from experiments.models.surgery import Make

LONGEST = 300  # characters of a message that is passed on


class Source(NamedTuple):
    """Where a model is from."""

    path: str
    """Of the file, as it was typed."""
    digest: str
    """SHA-256 of the file that was run."""
    make: Make


def read(model: str) -> Source:
    """Runs the file of FILE.py:NAME, and takes the name from it."""
    path, _, name = model.rpartition(":")
    expect(path.endswith(".py") and name.isidentifier(), "--model FILE.py:NAME", repr(model))
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Expected to read the file of --model; got {path}: {reason}.") from None
    module = _run(path, content)
    own = (key for key, thing in vars(module).items() if callable(thing) and key[0] != "_")
    got = f"none of that name, but {', '.join(own) or 'nothing'}"
    make = getattr(module, name, None)
    expect(callable(make), f"{name} to be a function or a class in {path}", got)
    return Source(path, hashlib.sha256(content).hexdigest(), make)  # pyright: ignore


def digests(model: str | None) -> dict[str, str]:
    """By its path, that of the file, if there is one."""
    found = read(model) if model else None
    return {found.path: found.digest} if found else {}


@cache
def _run(path: str, content: bytes) -> ModuleType:
    """Once for each content; what lies beside the file can be imported, as in a script."""
    module = ModuleType(f"model_{hashlib.sha256(content).hexdigest()[:16]}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses look their fields' types up
    folder = str(Path(path).parent.absolute())
    sys.path.insert(0, folder)
    try:
        with told(f"{path} to run", path):
            exec(compile(content, path, "exec"), vars(module))
    finally:
        sys.path.remove(folder)
    return module


@contextmanager
def told(expected: str, path: str | None) -> Iterator[None]:
    """What the reader's code raises, as one message with its line; as it is, where no file is."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        if path is None:
            raise
        reason = (str(error).strip().splitlines() or [""])[0][:LONGEST]
        got = f"{type(error).__name__}: {reason}".rstrip(": .")
        raise InputError(f"Expected {expected}; got {got} ({_where(error, path)}).") from None


def _where(error: BaseException, path: str) -> str:
    """The last line of the file that was reached."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"line {error.lineno} of {path}: {(error.text or '').strip()}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path
    ]
    return f"line {frames[-1].lineno} of {path}: {frames[-1].line}" if frames else f"in {path}"
