"""A model from a file of the reader's, and what to say where that fails.

What lies beside the file can be imported while its code runs, as in a script.
"""

import hashlib
import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from flax import nnx

from experiments.errors import InputError, expect
from experiments.models.surgery import Make, made

INSTALLED = [Path(path).resolve() for path in sysconfig.get_paths().values()]
LONGEST = 300  # characters of a message that is passed on


class Beside:
    """The folder of a file, and its modules: others of their names are those of other folders."""

    def __init__(self, file: str) -> None:
        """Nothing is imported yet."""
        self._folder = Path(file).parent
        self._modules: dict[str, ModuleType] = {}
        self.digests: dict[str, str] = {}
        """SHA-256 of each module's file when it was imported, by its path from where we are."""

    @contextmanager
    def there(self) -> Iterator[None]:
        """Meanwhile they can be imported; afterwards `sys` is as it was."""
        before, folder = dict(sys.modules), str(self._folder.absolute())
        importlib.invalidate_caches()
        sys.path.insert(0, folder)
        sys.modules.update(self._modules)
        try:
            yield
        finally:
            if folder in sys.path:
                sys.path.remove(folder)
            self._take(before)

    def _take(self, before: Mapping[str, ModuleType]) -> None:
        """A part of a package that was there before belongs to that."""
        new = [(name, it) for name, it in sys.modules.items() if it is not before.get(name)]
        for name, module in new:
            own = name.partition(".")[0] not in before and self._has(module)
            if own or name in self._modules:
                self._note(name, module)
                del sys.modules[name]
        sys.modules.update((name, before[name]) for name in self._modules if name in before)

    def _note(self, name: str, module: ModuleType) -> None:
        file = getattr(module, "__file__", None)
        if name not in self._modules and file:
            inside = Path(file).resolve().relative_to(self._folder.resolve())
            content = Path(file).read_bytes()
            self.digests[str(self._folder / inside)] = hashlib.sha256(content).hexdigest()
        self._modules[name] = module

    def _has(self, module: ModuleType) -> bool:
        """Whether it is from below the folder, and not installed there."""
        places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
        files = [Path(place).resolve() for place in places if place]
        foreign = any(file.is_relative_to(place) for file in files for place in INSTALLED)
        return not foreign and any(file.is_relative_to(self._folder.resolve()) for file in files)


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
    frames = [it for it in traceback.extract_tb(error.__traceback__) if it.filename == path]
    return f"line {frames[-1].lineno} of {path}: {frames[-1].line}" if frames else f"in {path}"
