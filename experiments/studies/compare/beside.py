"""What lies beside a reader's file can be imported while its code runs, as in a script."""

import hashlib
import importlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

INSTALLED = [Path(path).resolve() for path in sysconfig.get_paths().values()]


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
        new = {
            name: module for name, module in sys.modules.items() if module is not before.get(name)
        }
        for name, module in new.items():
            if name in self._modules or (
                name.partition(".")[0] not in before and self._has(module)
            ):
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
