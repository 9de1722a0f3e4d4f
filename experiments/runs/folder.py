"""A run is a folder that explains itself; it is one if it holds a manifest.

Every file appears whole or not at all, and the manifest last. A run that is replaced loses its
manifest first, so that no folder ever claims to be a run while it holds files of two. One that is
not done yet holds `unfinished.json`, from which it can be resumed, and what it has so far.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import jax

from experiments.errors import InputError, expect
from experiments.report.files import as_json
from experiments.training.devices import lead

MANIFEST, UNFINISHED, PROGRESS = "manifest.json", "unfinished.json", ".jaxdrop"
LONGEST = 255  # bytes that file systems take as a name


def check_folder(folder: Path, overwrite: bool) -> None:
    """Finds out before any work whether a run can be written here, and leaves no trace of it."""
    try:
        expect(not folder.exists() or folder.is_dir(), "a folder as --output", f"the file {folder}")
        check_free(folder, overwrite)
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=there):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise unwritable(folder, error) from None


def check_free(folder: Path, overwrite: bool) -> None:
    """Refuses a folder that holds a run, done or not, unless it is to be replaced."""
    done, begun = ((folder / name).exists() for name in (MANIFEST, UNFINISHED))
    fix = "Pass --overwrite to replace it, or choose another --output."
    expect(overwrite or not done, f"--output {folder} not to hold a run", "one", fix)
    fix = f"Go on with it: {how_to_resume(folder)}. Or pass --overwrite to begin anew."
    expect(overwrite or not begun, f"--output {folder} not to hold a run", "an unfinished one", fix)


def how_to_resume(folder: Path) -> str:
    """The command."""
    return f"python -m experiments resume {folder}"


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Makes the folder, and keeps others from working in it; for the process that leads."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise unwritable(folder, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(
            f"Expected {folder} to be free; got another process that works on it. "
            "Wait until it is done, or choose another --output."
        ) from None
    finally:
        os.close(handle)  # this unlocks it


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A folder that no other run's processes work in meanwhile."""
    with contextlib.ExitStack() as stack:
        lead(lambda: stack.enter_context(lock(folder)))
        yield


def lost(error: Exception, folder: Path) -> InputError:
    """What to say when the processes cannot work together any more."""
    reason = " ".join(str(error).split())[-300:]
    return InputError(
        f"Expected all {jax.process_count()} processes to go on, each with room to write; got: "
        f"{reason}. Start them again, each with {how_to_resume(folder)} and its place in the "
        "cluster."
    )


def begin(folder: Path, head: Mapping[str, Any]) -> None:
    """Makes the folder one of an unfinished run that has nothing yet."""
    try:
        _forget(folder)
        discard_progress(folder)
        put(folder / UNFINISHED, as_json(head))
    except OSError as error:
        raise unwritable(folder, error) from None


def write(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Writes the files of a run, then its manifest; then the run is finished."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder)
        for name, content in files.items():
            put(folder / name, content)
        put(folder / MANIFEST, as_json(manifest))
        discard_progress(folder)
    except OSError as error:
        raise unwritable(folder, error) from None


def _forget(folder: Path) -> None:
    """Removes the run that the folder holds: its manifest, then the files that this names."""
    path = folder / MANIFEST
    try:
        names = list(json.loads(path.read_bytes())["sha256"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        names = []  # no run, or one that says not what it has
    path.unlink(missing_ok=True)
    for name in filter(plain, names):
        with contextlib.suppress(IsADirectoryError, PermissionError):
            (folder / name).unlink(missing_ok=True)


def plain(name: object) -> bool:
    """Whether it is the name of a file that is in the folder itself."""
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        return False
    with contextlib.suppress(UnicodeError):
        return len(name.encode()) <= LONGEST
    return False


def check_inside(folder: Path) -> None:
    """Refuses links in what an unfinished run has so far: they could lead out of the folder."""
    there = folder / PROGRESS
    inside = (Path(at, name) for at, *names in os.walk(there) for name in chain(*names))
    for path in chain([there], inside):
        expect(not path.is_symlink(), f"{path} to be a file or folder", "a link to elsewhere")


def discard_progress(folder: Path) -> None:
    """Removes what an unfinished run has; its name first, for what follows is then no run."""
    (folder / UNFINISHED).unlink(missing_ok=True)
    remove(folder / PROGRESS)


def remove(folder: Path) -> None:
    """Removes a folder with all that is in it, but follows no link out of it."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


def put(path: Path, content: bytes) -> None:
    """Makes the file appear whole, under its name, or not at all.

    The draft has one name, so that one that a kill left behind goes with the next attempt.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.unlink(missing_ok=True)  # which a kill left behind, or a link
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or a power failure could leave the name without the content
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def not_kept(folder: Path, reason: object) -> InputError:
    """What to say when there is no room for what an unfinished run has so far."""
    return InputError(
        f"Expected to write a checkpoint to {folder}; got: {reason}. What was written before is "
        f"kept: make room, then {how_to_resume(folder)}."
    )


def unwritable(folder: Path, error: Exception) -> InputError:
    """What to say when the operating system refuses."""
    reason = getattr(error, "strerror", None) or error
    return InputError(f"Expected an --output that can be written; got {folder}: {reason}.")
