"""From a design to what a run consists of."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from experiments.report.report import Report
from experiments.runs.execute import Runnable, of_tasks
from experiments.studies import results
from experiments.studies.design import Design
from experiments.studies.report import report
from experiments.studies.results import Cut, Result
from experiments.studies.settings import Settings, command_line
from experiments.training.chunks import Layout
from experiments.training.sweep import Histories


def name_of(study: Any) -> str:
    """A study is a module with a CLAIM, its DEFAULTS and its design; this is its file's name."""
    return study.__name__.rpartition(".")[2]


def prepare(
    study: Any, settings: Settings, layouts: Mapping[str, Layout] | None = None
) -> Runnable[Histories]:
    """Builds its networks and loads the data; cut up as memory has it, or as it was."""
    settings, name = settings.anywhere, name_of(study)
    words = command_line(f"run {name}", settings, study.DEFAULTS)
    design = study.design(settings.used)
    reported = partial(report, name, study, settings, design)
    return runnable(words, settings, design, layouts or settings.chunk, reported)


def runnable(
    command: list[str],
    settings: Any,
    design: Design,
    cut: Cut,
    report: Callable[[Mapping[str, Result]], Report],
    point: float = 1.0,
) -> Runnable[Histories]:
    """What any design asks of training; `report` says what came out."""
    tasks = results.tasks(design, settings.protocol, cut)

    return of_tasks(
        command,
        settings,
        tasks,
        report=lambda histories: report(results.results(design, tasks, histories)),
        compared={"results.csv": 3, "history.csv": 4},
        point=point,
    )
