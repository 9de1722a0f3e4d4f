"""From a design to a verdict and a run folder."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments import gallery, manifest, page, runs
from experiments.again import again
from experiments.conclusion import Conclusion
from experiments.page import Page, Picture
from experiments.trials import claim, figures, measure, report
from experiments.trials.claim import Finding
from experiments.trials.design import Design
from experiments.trials.measure import Result
from experiments.trials.settings import Settings
from experiments.verdict import Verdict

WIDTH = 100


def name_of(study: Any) -> str:
    """A study is a module with a CLAIM, its DEFAULTS and its design; this is its file's name."""
    return study.__name__.rpartition(".")[2]


def run(study: Any, settings: Settings) -> Verdict:
    """Trains, prints and writes; whether the claim holds."""
    name, claimed = name_of(study), study.CLAIM
    folder = settings.output or Path("runs", name)
    runs.check_folder(folder, settings.overwrite)
    begun, design = time.monotonic(), study.design(settings.used)
    tasks = measure.tasks(design, settings.used)
    results = measure.train(name, design, tasks)
    found = claim.findings(design, results)
    verdict = Verdict.UNDECIDED if settings.smoke else claim.verdict(found)
    said = caption(settings.used, design)
    _show(claimed, design, results, found, said)
    print(f"Took {time.monotonic() - begun:.0f} s.")
    command = again(name, settings, study.DEFAULTS)
    concluded = Conclusion(name, claimed, verdict.value, claim.in_words(found), command)
    files = _files(concluded, design, results, found, said, settings)
    head = manifest.of_files(f"run {name}", settings.seed, arrays(design), files)
    layouts = {title: dataclasses.asdict(task.layout) for title, task in tasks.items()}
    runs.write(folder, files, head | {"layouts": layouts})
    print(f"Written to {folder}")
    return verdict


def arrays(design: Design) -> list[Any]:
    """All data of a design."""
    return [array for case in design.cases.values() for array in case.data]


def caption(settings: Settings, design: Design) -> str:
    """What was run."""
    first = next(iter(design.cases.values())).data
    sizes = {len(case.data.y_train) for case in design.cases.values()}
    training = f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"
    return (
        f"{settings.dataset}: {training} training and {len(first.y_test):,} test examples (one "
        f"fixed split); {settings.epochs} epochs of adamw, batches of {settings.batch_size}, "
        f"learning rate {settings.learning_rate:g} falling to 0 unless an arm says otherwise. "
        f"Seeds: {settings.seeds}, from {settings.seed}."
    )


def _show(
    title: str,
    design: Design,
    results: Mapping[str, Result],
    found: Sequence[Finding],
    said: str,
) -> None:
    console = Console(highlight=False, width=max(Console().width, WIDTH))
    console.print(
        report.screen("All arms", report.arm_header(results), report.arm_rows(design, results))
    )
    console.print(report.screen(f"{title}?", report.HEADER, report.claim_rows(found)))
    for line in (said, *(grid.note for grid in report.grids(design, results, found))):
        console.print(line, markup=False)


def _files(
    concluded: Conclusion,
    design: Design,
    results: Mapping[str, Result],
    found: Sequence[Finding],
    said: str,
    settings: Settings,
) -> dict[str, bytes]:
    pictures = {
        "contrasts.png": figures.contrasts(found, said),
        "arms.png": figures.arms(design, results, said),
        "curves.png": figures.curves(design, results, said),
    }
    shown = [
        Picture("what the claim says, with intervals", pictures["contrasts.png"]),
        Picture("every arm's test accuracy and loss", pictures["arms.png"]),
        Picture("learning curves", pictures["curves.png"]),
        Picture("what each kind of dropout drops", gallery.picture(settings.seed)),
    ]
    facts = {"protocol": said} | {
        title: f"{case.architecture}; arms {', '.join(case.arms)}"
        for title, case in design.cases.items()
    }
    verdict = f"{concluded.verdict.capitalize()}: {concluded.words}."
    tables = report.grids(design, results, found)
    title = f"{concluded.claim[0].upper()}{concluded.claim[1:]}?"
    whole = Page(title, verdict, tables, shown, facts, concluded.command)
    return {
        "config.json": runs.as_json(dataclasses.asdict(settings) | {"output": None}),
        "results.csv": report.results_csv(design, results),
        "history.csv": report.history_csv(design, results),
        "contrasts.csv": report.contrasts_csv(found),
        **concluded.file(),
        **pictures,
        "report.html": page.render(whole),
    }
