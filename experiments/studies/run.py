"""From a design to a verdict and a run folder."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from experiments.report import gallery, page
from experiments.report.files import Files, as_json
from experiments.report.page import Page, Picture
from experiments.report.verdict import Conclusion, Verdict
from experiments.runs.execute import Runnable, of_tasks
from experiments.studies import claim, figures
from experiments.studies import results as measure
from experiments.studies import tables as report
from experiments.studies.claim import Finding
from experiments.studies.design import Design
from experiments.studies.results import Result
from experiments.studies.settings import Settings, command_line, in_shell
from experiments.training.chunks import Layout
from experiments.training.sweep import Histories, Task

WIDTH = 100


def name_of(study: Any) -> str:
    """A study is a module with a CLAIM, its DEFAULTS and its design; this is its file's name."""
    return study.__name__.rpartition(".")[2]


def prepare(
    study: Any, settings: Settings, layouts: Mapping[str, Layout] | None = None
) -> Runnable[Histories]:
    """Builds its networks and loads the data; cut up as memory has it, or as it was."""
    settings = settings.anywhere
    design = study.design(settings.used)
    tasks = measure.tasks(design, settings.used, layouts)
    told = Told(study, settings, design, tasks)
    return of_tasks(
        command_line(f"run {name_of(study)}", settings, study.DEFAULTS),
        settings,
        tasks,
        tables=told.tables,
        compared={"results.csv": 3, "history.csv": 4},
        figures=told.figures,
        show=told.show,
        verdict=told.verdict,
    )


@dataclass(frozen=True)
class Told:
    """What a study makes of what came out."""

    study: Any
    settings: Settings
    design: Design
    tasks: Mapping[str, Task]

    def tables(self, histories: Histories) -> Files:
        """All that is text."""
        results, found = self._found(histories)
        return {
            "config.json": as_json(dataclasses.asdict(self.settings)),
            "results.csv": report.results_csv(self.design, results),
            "history.csv": report.history_csv(self.design, results),
            "contrasts.csv": report.contrasts_csv(found),
            **self._concluded(found).file(),
        }

    def figures(self, histories: Histories) -> Files:
        """The pictures, and the page that shows them."""
        results, found = self._found(histories)
        said = caption(self.settings.used, self.design)
        pictures = {
            "contrasts.png": figures.contrasts(found, said),
            "arms.png": figures.arms(self.design, results, said),
            "curves.png": figures.curves(self.design, results, said),
        }
        whole = self._page(results, found, pictures)
        return {**pictures, "report.html": page.render(whole)}

    def show(self, histories: Histories) -> None:
        """Prints the tables."""
        results, found = self._found(histories)
        console = Console(highlight=False, width=max(Console().width, WIDTH))
        rows = report.arm_rows(self.design, results)
        console.print(report.screen("All arms", report.arm_header(results), rows))
        claimed = f"{self.study.CLAIM}?"
        console.print(report.screen(claimed, report.HEADER, report.claim_rows(found)))
        notes = (grid.note for grid in report.grids(self.design, results, found))
        for line in (caption(self.settings.used, self.design), *notes):
            console.print(line, markup=False)

    def verdict(self, histories: Histories) -> Verdict:
        """Whether the claim holds."""
        return self._verdict(self._found(histories)[1])

    def _found(self, histories: Histories) -> tuple[dict[str, Result], list[Finding]]:
        results = measure.results(self.design, self.tasks, histories)
        return results, claim.findings(self.design, results)

    def _verdict(self, found: list[Finding]) -> Verdict:
        return Verdict.UNDECIDED if self.settings.smoke else claim.verdict(found)

    def _concluded(self, found: list[Finding]) -> Conclusion:
        name, words = name_of(self.study), claim.in_words(found)
        command = in_shell(f"run {name}", self.settings, self.study.DEFAULTS)
        return Conclusion(name, self.study.CLAIM, self._verdict(found).value, words, command)

    def _page(
        self, results: Mapping[str, Result], found: list[Finding], pictures: Mapping[str, bytes]
    ) -> Page:
        shown = [
            Picture("what the claim says, with intervals", pictures["contrasts.png"]),
            Picture("every arm's test accuracy and loss", pictures["arms.png"]),
            Picture("learning curves", pictures["curves.png"]),
            Picture("what each kind of dropout drops", gallery.picture(self.settings.seed)),
        ]
        facts = {"protocol": caption(self.settings.used, self.design)} | {
            title: f"{case.architecture}; arms {', '.join(case.arms)}"
            for title, case in self.design.cases.items()
        }
        concluded = self._concluded(found)
        verdict = f"{concluded.verdict.capitalize()}: {concluded.words}."
        tables = report.grids(self.design, results, found)
        title = f"{concluded.claim[0].upper()}{concluded.claim[1:]}?"
        return Page(title, verdict, tables, shown, facts, concluded.command)


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
