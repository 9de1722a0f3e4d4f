"""A run is a folder that explains itself; it is one if it holds a manifest.

Every file appears whole or not at all, and the manifest last. A run that is replaced loses its
manifest first, so that no folder ever claims to be a run while it holds files of two.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.errors import InputError, expect

MANIFEST = "manifest.json"


def check_folder(folder: Path, overwrite: bool) -> None:
    """Finds out before any work whether a run can be written here, and leaves no trace of it."""
    try:
        taken = (folder / MANIFEST).exists()
        expect(not folder.exists() or folder.is_dir(), "a folder as --output", f"the file {folder}")
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=there):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None
    fix = "Pass --overwrite to replace it, or choose another --output."
    expect(overwrite or not taken, f"--output {folder} not to hold a run", "one", fix)


def write(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Writes the files of a run, then its manifest."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name, content in files.items():
            _put(folder / name, content)
        _put(folder / MANIFEST, as_json(manifest))
    except OSError as error:
        raise _unwritable(folder, error) from None


def as_json(content: Mapping[str, Any]) -> bytes:
    """JSON for people: indented, with a newline at the end."""
    return (json.dumps(content, indent=2, default=str) + "\n").encode()


def _put(path: Path, content: bytes) -> None:
    """Makes the file appear whole, under its name, or not at all."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"Expected an --output that can be written; got {folder}: {error.strerror}.")
