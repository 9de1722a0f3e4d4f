"""From work to a run folder: trains with a progress bar, keeps what it has, prints, writes."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from rich.console import Console
from rich.progress import Progress

from experiments import cluster, manifest, memory, runs, spread, sweep
from experiments.checkpoints import Checkpoints
from experiments.interrupts import Interrupted, Interrupts
from experiments.sweep import History, Keeper
from experiments.work import Work


def train(work: Work, folder: Path, overwrite: bool, every: float) -> None:
    """Begins a run and brings it to its end."""

    def begin() -> None:
        runs.check_free(folder, overwrite)
        runs.begin(folder, manifest.as_dict(work.head))

    with runs.lock(folder):
        cluster.lead(begin)
        go_on(work, folder, every)


def go_on(work: Work, folder: Path, every: float) -> None:
    """Brings an unfinished run, whose folder is locked, to its end."""
    with _resumable(folder):
        with Interrupts() as asked, Checkpoints(folder, every, work.task, asked) as keeper:
            history = run(work, keeper)
        cluster.lead(lambda: _write(work, folder, history))


def _write(work: Work, folder: Path, history: History) -> None:
    try:
        files = work.tables(history) | work.figures(history)
        runs.write(folder, files, manifest.complete(work.head, history, files))
    finally:  # a full disk should not cost the results
        work.show(history)
    print(f"Written to {folder}")


def run(work: Work, keeper: Keeper | None = None) -> History:
    """Trains under a progress bar that hangs on the ends of blocks."""
    layout = work.task.layout
    with Progress(console=Console(file=sys.stderr), disable=not spread.leads()) as progress:
        title = f"Training {layout.arms} arms × {layout.seeds} seeds"
        bar = progress.add_task(title, total=layout.chunks * len(work.task.plan.ends))
        begun, trained = time.monotonic(), []

        def tick(epochs: int) -> None:
            trained.append(epochs)
            progress.advance(bar)

        history = sweep.run(work.task, tick, keeper)
    if spread.leads():
        _print_speed(work, sum(trained), time.monotonic() - begun)
    return history


def _print_speed(work: Work, epochs: int, seconds: float) -> None:
    images = epochs * work.task.plan.steps_per_epoch * work.task.plan.batch_size
    devices, layout = jax.device_count(), work.task.layout
    print(
        f"Trained in {seconds:.1f} s, compilation included, in {layout.chunks:,} chunks of "
        f"{layout.chunk * layout.group:,} networks: {images / seconds / devices:,.0f} images/s on "
        f"each of {devices} devices. Peak memory {memory.peak() / memory.GIB:.2f} GiB.",
        file=sys.stderr,
    )


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
        raise cluster.lost(error, folder) from error
