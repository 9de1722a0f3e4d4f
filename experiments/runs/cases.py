"""Work that consists of cases, each an architecture whose arms and seeds are swept over."""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
from rich.console import Console
from rich.progress import Progress

from experiments.runs import manifest
from experiments.runs.checkpoints import Place
from experiments.runs.keeping import Keeping
from experiments.runs.manifest import Case, Head, Outcome
from experiments.runs.work import Work
from experiments.training import devices, memory, sweep
from experiments.training.inputs import of_task
from experiments.training.sweep import Histories, History, Task

Tasks = Mapping[str, Task]


def work(command: list[str], seed: int, config: Any, tasks: Tasks, **told: Any) -> Work[Histories]:
    """All of it but what is told of the histories."""
    cases = {title: Case(task.layout, of_task(task)) for title, task in tasks.items()}
    head = Head.of(command, seed, config, cases)
    ends = {title: task.plan.ends for title, task in tasks.items()}
    return Work(head, partial(run, tasks), outcomes=_outcomes, ends=ends, **told)


def run(tasks: Tasks, keeping: Keeping) -> Histories:
    """Trains case after case under one progress bar that hangs on the ends of blocks."""
    begun, trained = time.monotonic(), Counter[str]()
    with Progress(console=Console(file=sys.stderr), disable=not devices.leads()) as progress:
        parts = sum(task.layout.chunks * len(task.plan.ends) for task in tasks.values())
        bar = progress.add_task("", total=parts)

        def tick(title: str, epochs: int) -> None:
            trained[title] += epochs
            progress.advance(bar)

        def of_case(number: int, title: str) -> History:
            task = tasks[title]
            what = f"{task.layout.arms} arms × {task.layout.seeds} seeds"
            progress.update(bar, description=f"Training {title}: {what}")
            with keeping.case(Place(number, len(tasks)), task) as keeper:
                return sweep.run(task, partial(tick, title), keeper)

        histories = {title: of_case(number, title) for number, title in enumerate(tasks)}
    if devices.leads():
        _print_speed(tasks, trained, time.monotonic() - begun)
    return histories


def _outcomes(histories: Histories) -> dict[str, Outcome]:
    return {title: manifest.outcome(history) for title, history in histories.items()}


def _print_speed(tasks: Tasks, epochs: Mapping[str, int], seconds: float) -> None:
    plans, layouts = ([getattr(t, name) for t in tasks.values()] for name in ("plan", "layout"))
    images = [plan.steps_per_epoch * plan.batch_size for plan in plans]
    examples = sum(epochs[title] * size for title, size in zip(tasks, images, strict=True))
    most = max(layout.chunk * layout.group for layout in layouts)
    devices, chunks = jax.device_count(), sum(layout.chunks for layout in layouts)
    cut = f"{chunks:,} chunk{'s' if chunks > 1 else ''} of at most {most:,} networks"
    print(
        f"Trained in {seconds:.1f} s, compilation included, in {cut}: "
        f"{examples / seconds / devices:,.0f} examples/s on each of {devices} devices. "
        f"Peak memory {memory.peak() / memory.GIB:.2f} GiB.",
        file=sys.stderr,
    )
