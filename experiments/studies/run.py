"""From a design to a verdict and a run folder."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from experiments.report.report import Report
from experiments.report.verdict import Verdict
from experiments.runs import cases, execute, folder
from experiments.runs.work import Work
from experiments.studies import results
from experiments.studies.design import Design
from experiments.studies.report import report
from experiments.studies.results import Cut, Result
from experiments.studies.settings import Settings
from experiments.training.sweep import Histories


def name_of(study: Any) -> str:
    """A study is a module with a CLAIM, its DEFAULTS and its design; this is its file's name."""
    return study.__name__.rpartition(".")[2]


def run(study: Any, settings: Settings) -> Verdict:
    """Trains, prints and writes; whether the claim holds."""
    output = settings.output or Path("runs", name_of(study))
    folder.check_folder(output, settings.overwrite)
    prepared = prepare(study, settings, settings.chunk)
    return execute.judged(prepared, output, settings.overwrite, settings.checkpoint_every)


def prepare(study: Any, settings: Settings, cut: Cut = None) -> Work[Histories]:
    """Builds its networks and loads the data."""
    settings, name = settings.anywhere, name_of(study)
    design = study.design(settings.used)
    return work(
        f"run {name}", settings, design, cut, partial(report, name, study, settings, design)
    )


def work(
    command: str,
    settings: Any,
    design: Design,
    cut: Cut,
    report: Callable[[Mapping[str, Result]], Report],
    point: float = 1.0,
) -> Work[Histories]:
    """What any design asks of training; `report` says what came out."""
    tasks = results.tasks(design, settings.protocol, cut)

    def reported(histories: Histories) -> Report:
        return report(results.results(design, tasks, histories))

    return cases.work(
        command,
        settings.protocol.seed,
        settings,
        tasks,
        tables=lambda histories: reported(histories).files(),
        compared={"results.csv": 3, "history.csv": 4},
        figures=lambda histories: reported(histories).figures(),
        show=lambda histories: reported(histories).show(),
        verdict=lambda histories: reported(histories).verdict,
        point=point,
    )
