"""Many runs on one page: a claim, its verdict and the numbers behind it, a line each."""

import os
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.report.files import Files
from experiments.report.page import Page, render
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion
from experiments.words import counted

TITLE = "Dropout: what is claimed, and what came out"
TABLE = "atlas.md"
HEADER = ("study", "claim", "verdict", "what came out")
NOTE = "Intervals of a study hold together at 95 %; each study's page says what was run."
Runs = Sequence[tuple[Path, Conclusion]]


def table(runs: Runs, output: Path) -> Table:
    """A line for each run, linked from the page in the output folder."""

    def link(folder: Path, study: str) -> Cell:
        page = os.path.relpath(folder / "report.html", output)
        return Cell(study, href=Path(page).as_posix())

    return _table(runs, link, "{}")


def files(runs: Runs, output: Path) -> Files:
    """The page of these runs, and the same table as Markdown."""
    marked = _table(runs, lambda _, study: f"`{study}`", "**{}**")
    counts = Counter(conclusion.verdict for _, conclusion in runs)
    found = ", ".join(f"{n} {word}" for word, n in counts.items())
    words = f"{counted(len(runs), 'run')}: {found}."
    arguments = [*(str(folder) for folder, _ in runs), "--output", str(output)]
    command = shlex.join(["python", "-m", "experiments", "report", *arguments])
    shown = replace(table(runs, output), title="Verdicts")
    page = Page(TITLE, words, [shown], command=command)
    return {"report.html": render(page), TABLE: marked.markdown().encode()}


def _table(runs: Runs, named: Callable[[Path, str], object], verdict: str) -> Table:
    rows = [
        (named(folder, found.study), found.claim, verdict.format(found.verdict), found.words)
        for folder, found in runs
    ]
    return Table("", HEADER, rows, NOTE)
