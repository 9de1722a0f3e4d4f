"""What a command hands over is trained, and becomes a run folder."""

import itertools
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax

from experiments.errors import InputError
from experiments.report.report import Report
from experiments.report.verdict import Verdict
from experiments.runs.checkpoint import Checkpoints
from experiments.runs.folder import begin, check_free, how_to_resume, locked, write
from experiments.runs.interrupts import Interrupted, heard
from experiments.runs.manifest import Case, Head, Manifest, Outcome, sha256
from experiments.runs.progress import shown
from experiments.runs.watch import Watch, Work, speed
from experiments.training import devices, memory, sweep
from experiments.training.fingerprints import digest
from experiments.training.inputs import of_task
from experiments.training.sweep import Histories, History, Task
from experiments.words import counted

T = TypeVar("T")
Tasks = Mapping[str, Task]


@dataclass(frozen=True)
class Runnable(Generic[T]):
    """What a command asks of training, and what it makes of what comes out."""

    head: Head
    train: Callable[[sweep.Checkpoints], T]
    """Trains what is not kept from before."""
    report: Callable[[T], Report]
    """What it says is the same, byte for byte, whenever the training is."""
    compared: Mapping[str, int]
    """Which tables another environment may round otherwise, and how many columns name a row."""
    point: float = 1.0
    """A percentage point in the unit of the tables' accuracies."""
    outcomes: Callable[[T], dict[str, Outcome]] = lambda _: {}
    """Of each case that is cut up in chunks."""
    ends: Collection[int] = (0,)
    """How many cases of it may have been trained: up to a look."""


def of_looks(
    command: list[str],
    config: Any,
    looks: Sequence[Tasks],
    files: Mapping[str, str] = {},
    enough: Callable[[Histories], bool] = lambda _: False,
    **rest: Any,
) -> Runnable[Histories]:
    """Of networks that are trained in chunks; the rest says what is made of the histories.

    Look after look is trained, until what there is says that it is enough.
    """
    tasks = {title: task for look in looks for title, task in look.items()}
    cases = {title: Case(task.layout, of_task(task)) for title, task in tasks.items()}
    trained = partial(train, looks, enough)
    ends = tuple(itertools.accumulate(map(len, looks)))
    head = Head.of(command, config, cases, files)
    return Runnable(head, trained, outcomes=_outcomes, ends=ends, **rest)


def execute(runnable: Runnable[T], folder: Path, overwrite: bool, every: float) -> Verdict | None:
    """Begins a run and brings it to its end."""

    def begun() -> None:
        check_free(folder, overwrite)
        begin(folder, asdict(runnable.head))

    with locked(folder):
        devices.lead(begun)
        return go_on(runnable, folder, every)


def go_on(runnable: Runnable[T], folder: Path, every: float) -> Verdict | None:
    """Brings an unfinished run, whose folder is locked, to its end."""
    with _resumable(folder):
        with heard() as interrupts:
            results = runnable.train(Checkpoints(folder, every, interrupts))
        report, outcomes = runnable.report(results), runnable.outcomes(results)
        devices.lead(lambda: _write(runnable.head, report, outcomes, folder))
    return report.verdict


def train(
    looks: Sequence[Tasks], enough: Callable[[Histories], bool], checkpoints: sweep.Checkpoints
) -> Histories:
    """Look after look."""
    histories: dict[str, History] = {}
    for number, tasks in enumerate(looks, 1):
        look = f"look {number}" if len(looks) > 1 else ""
        histories |= _train(tasks, checkpoints, look)
        if enough(histories):
            break
    return histories


def _train(tasks: Tasks, checkpoints: sweep.Checkpoints, look: str) -> dict[str, History]:
    """Case after case."""
    begun, histories, watches = time.monotonic(), {}, []
    works = [Work.of(title, task) for title, task in tasks.items()]
    whole, of_look = look.capitalize() or "This run", f" of {look}" if look else ""
    with shown(sum(work.whole for work in works), whole) as progress:
        for number, (title, task) in enumerate(tasks.items(), 1):
            watches.append(Watch(works[number - 1], progress, len(tasks) - number))
            case = f" of case {number} of {len(tasks)}" if len(tasks) > 1 else ""
            histories[title] = sweep.run(task, watches[-1], checkpoints, case + of_look)
    devices.say(_told(tasks, speed(watches), time.monotonic() - begun), sys.stderr)
    return histories


def _outcomes(histories: Histories) -> dict[str, Outcome]:
    return {
        title: Outcome(digest(history.fresh), digest(history.blocks[-1].states))
        for title, history in histories.items()
    }


def _told(tasks: Tasks, speed: str, seconds: float) -> str:
    layouts = [task.layout for task in tasks.values()]
    chunks, most = sum(cut.chunks for cut in layouts), max(cut.chunk * cut.group for cut in layouts)
    return (
        f"Trained in {seconds:.1f} s, compilation included, in {counted(chunks, 'chunk')} of at "
        f"most {counted(most, 'network')}: {speed}. "
        f"Peak memory {memory.peak() / memory.GIB:.2f} GiB."
    )


def _write(head: Head, report: Report, outcomes: dict[str, Outcome], folder: Path) -> None:
    written = []
    try:
        files = report.files() | report.figures()
        known = {"verdict": report.verdict and report.verdict.value, "sha256": sha256(files)}
        write(folder, files, asdict(Manifest(**vars(head), **known, outcomes=outcomes)))
        written = [f"Written to {folder}"]
    except InputError as error:
        raise InputError(f"{error} To go on: {how_to_resume(folder)}") from None
    finally:  # a full disk should not cost the results
        report.show(*written)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """An interruption says how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        said = str(error) or "Interrupted."
        raise Interrupted(f"{said} To go on: {how_to_resume(folder)}") from None
    except jax.errors.JaxRuntimeError as error:
        if not devices.several():
            raise
        raise devices.lost(error, how_to_resume(folder)) from error
