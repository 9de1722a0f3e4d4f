"""From work to a run folder: trains, keeps what it has, prints, writes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from experiments.errors import InputError
from experiments.report.verdict import Verdict
from experiments.runs import folder as runs
from experiments.runs import manifest
from experiments.runs.folder import locked, lost
from experiments.runs.interrupts import Interrupted, Interrupts
from experiments.runs.keeping import Progress
from experiments.runs.work import T, Work
from experiments.training import devices


def train(work: Work[T], folder: Path, overwrite: bool, every: float) -> Verdict | None:
    """Begins a run and brings it to its end."""

    def begin() -> None:
        runs.check_free(folder, overwrite)
        runs.begin(folder, manifest.as_dict(work.head))

    with locked(folder):
        devices.lead(begin)
        return go_on(work, folder, every)


def go_on(work: Work[T], folder: Path, every: float) -> Verdict | None:
    """Brings an unfinished run, whose folder is locked, to its end."""
    with _resumable(folder):
        devices.lead(lambda: runs.check_inside(folder))
        identity = hashlib.sha256((folder / runs.UNFINISHED).read_bytes()).hexdigest()
        with Interrupts() as asked:
            found = work.train(Progress(folder, every, asked, identity))
        devices.lead(lambda: _write(work, folder, found))
    return work.verdict(found)


def _write(work: Work[T], folder: Path, found: T) -> None:
    try:
        files = work.tables(found) | work.figures(found)
        done = manifest.complete(work.head, work.verdict(found), work.outcomes(found), files)
        runs.write(folder, files, manifest.as_dict(done))
    except InputError as error:
        raise InputError(f"{error} To go on: {runs.how_to_resume(folder)}") from None
    finally:  # a full disk should not cost the results
        work.show(found)
    print(f"Written to {folder}")


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """An interruption says how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        said = str(error) or "Interrupted."
        raise Interrupted(f"{said} To go on: {runs.how_to_resume(folder)}") from None
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        raise lost(error, folder) from error
