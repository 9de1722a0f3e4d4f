"""A run is a folder that explains itself; it is one if it holds a manifest.

Every file appears whole or not at all, and the manifest last. A run that is replaced loses its
manifest first, so that no folder ever claims to be a run while it holds files of two. One that is
not done yet holds `unfinished.json`, from which it can be resumed, and what it has so far.
"""

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from experiments.errors import InputError, expect
from experiments.report.files import as_json
from experiments.training.devices import lead

MANIFEST, UNFINISHED, PROGRESS = "manifest.json", "unfinished.json", ".jaxdrop"
LOCK = "lock"
LONGEST = 255  # bytes that file systems take as a name
WRITTEN = {".csv", ".html", ".json", ".md", ".svg"}


def holds(folder: Path, name: str) -> bool:
    """Whether a folder has such a file; no name is too long or too strange to ask."""
    return os.path.isfile(folder / name)


def check_run(folder: Path, name: str, kind: str) -> None:
    """Refuses what is no folder of such a run, of which it holds the file of that name."""
    fix = "Name a folder that a run was written to, such as runs/rate."
    there = "a file" if os.path.isfile(folder) else "not there"
    expect(os.path.isdir(folder), "the folder of a run", f"{folder}, which is {there}", fix)
    seen = os.access(folder, os.R_OK | os.X_OK)
    expect(seen, "a folder that can be read", folder, "Run it as its owner, or copy it.")
    fix = "Begin one with compare, or with run STUDY."
    expect(holds(folder, name), f"{kind} run in {folder}", "none", fix)


def check_folder(folder: Path, overwrite: bool) -> None:
    """Finds out before any work whether a run can be written here, and leaves no trace of it."""
    try:
        expect(not folder.exists() or folder.is_dir(), "a folder as --output", f"the file {folder}")
        if holds(folder / PROGRESS, LOCK):
            with _lock(folder):
                pass  # nobody works there
        check_free(folder, overwrite)
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=there):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise unwritable(folder, error) from None


def check_free(folder: Path, overwrite: bool) -> None:
    """Refuses a folder that holds a run, done or not, unless that is a smoke run or to go."""
    done, begun = ((folder / name).exists() for name in (MANIFEST, UNFINISHED))
    others = () if done or begun or overwrite else _others(folder)
    fix = "Pass --overwrite to replace what has the name of a file of the run, or choose another."
    expect(not others, f"--output {folder} to hold no other files", " ".join(others[:3]), fix)
    overwrite = overwrite or _is_smoke(folder)
    fix = "Pass --overwrite to replace it, or choose another --output."
    expect(overwrite or not done, f"--output {folder} not to hold a run", "one", fix)
    fix = f"Go on with it: {how_to_resume(folder)}. Or pass --overwrite to begin anew."
    expect(overwrite or not begun, f"--output {folder} not to hold a run", "an unfinished one", fix)


def _others(folder: Path) -> Sequence[str]:
    """What is of no run, and could have the name of a file that a run writes."""
    return sorted(path.name for path in folder.glob("*") if path.suffix in WRITTEN)


def _is_smoke(folder: Path) -> bool:
    """Whether what it holds is a smoke run, which is no result, and nothing else."""
    try:
        found = [json.loads((folder / name).read_bytes()) for name in (MANIFEST, UNFINISHED)
                 if holds(folder, name)]  # fmt: skip
        return all(one["config"]["smoke"] is True and one["environment"] for one in found)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return False


def how_to_resume(folder: Path) -> str:
    """The command."""
    return f"python -m experiments resume {shlex.quote(str(folder))}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes the folder, and keeps others from working in it meanwhile."""
    with ExitStack() as stack:
        lead(lambda: stack.enter_context(_lock(folder)))
        yield


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """The system lets go of it when the process dies; the file goes before that, or with it."""
    progress = folder / PROGRESS
    lock = FileLock(progress / LOCK, timeout=0)
    try:
        _check_inside(progress)
        progress.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Expected {folder} to be free; got another process that works on it. "
            "Wait until it is done, or choose another --output."
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from None
    try:
        yield
    finally:
        with suppress(OSError):
            (progress / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            progress.rmdir()  # unless it holds more


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
    path, names = folder / MANIFEST, []
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        names = list(json.loads(path.read_bytes())["sha256"])
    path.unlink(missing_ok=True)
    for name in filter(plain, names):
        with suppress(IsADirectoryError, PermissionError):
            (folder / name).unlink(missing_ok=True)


def plain(name: str) -> bool:
    """Whether it is the name of a file that is in the folder itself."""
    if name in ("", ".", "..") or set(name) & set("/\\\0"):
        return False
    with suppress(UnicodeError):
        return len(name.encode()) <= LONGEST
    return False


def _check_inside(folder: Path) -> None:
    """Refuses links in what an unfinished run has so far: they could lead out of the folder."""
    inside = (Path(at, name) for at, *names in os.walk(folder) for name in chain(*names))
    for path in chain([folder], inside):
        expect(not path.is_symlink(), f"{path} to be a file or folder", "a link to elsewhere")


def discard_progress(folder: Path) -> None:
    """Removes what an unfinished run has; its name first, for what follows is then no run."""
    (folder / UNFINISHED).unlink(missing_ok=True)
    progress = folder / PROGRESS
    for path in progress.iterdir() if progress.is_dir() else ():
        if path.name != LOCK:
            remove(path)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it, but follows no link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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


def unwritable(folder: Path, error: Exception) -> InputError:
    """What to say when the operating system refuses."""
    reason = getattr(error, "strerror", None) or error
    fix = "Make it so, or choose another --output."
    return InputError(f"Expected a folder that can be written; got {folder}: {reason}. {fix}")
