"""A model from a file of the reader's, and what to say where that fails."""

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from flax import nnx

from experiments.errors import InputError, expect
from experiments.models.surgery import Make, made
from experiments.studies.compare.beside import Beside

LONGEST = 300  # characters of a message that is passed on


class Source(NamedTuple):
    """Where a model is from."""

    path: str
    """Of the file, as it was typed."""
    digest: str
    """SHA-256 of the file that was run."""
    beside: Beside
    make: Make

    @property
    def files(self) -> dict[str, str]:
        """Digests of the file and of what it has imported from beside it, by their paths."""
        return {self.path: self.digest} | self.beside.digests


def read(model: str) -> Source:
    """Runs the file of FILE.py:NAME, and takes the name from it."""
    path, _, name = model.rpartition(":")
    expect(path.endswith(".py") and name.isidentifier(), "--model FILE.py:NAME", repr(model))
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Expected to read the file of --model; got {path}: {reason}.") from None
    beside = Beside(path)
    module = _run(path, content, beside)
    own = (key for key, thing in vars(module).items() if callable(thing) and key[0] != "_")
    fix = f"Name one of {names}." if (names := ", ".join(own)) else f"Define {name}(rngs) there."
    make = getattr(module, name, None)
    got = f"{make!r:.80}, which cannot be called" if hasattr(module, name) else "none of that name"
    expect(callable(make), f"{name} to be a function or a class in {path}", got, fix)
    return Source(path, hashlib.sha256(content).hexdigest(), beside, _there(beside, make))


def _there(beside: Beside, make: Any) -> Make:
    """As it is, but that what lies beside its file can be imported."""

    def build(rngs: nnx.Rngs) -> nnx.Module:
        with beside.there():
            return made(make, rngs)

    build.__module__ = getattr(make, "__module__", "")
    return build


def _run(path: str, content: bytes, beside: Beside) -> ModuleType:
    module = ModuleType(f"model_{hashlib.sha256(content).hexdigest()[:16]}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses look their fields' types up
    with told(f"{path} to run", path), beside.there():
        exec(compile(content, path, "exec"), vars(module))
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
