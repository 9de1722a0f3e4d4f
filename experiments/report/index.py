"""Many runs on one page: a claim, its verdict and the numbers behind it, a line each."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from experiments.report.files import Files
from experiments.report.page import Page, render
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion

TITLE = "Dropout: what is claimed, and what came out"
HEADER = ("study", "claim", "verdict", "what came out")
NOTE = "Intervals of a study hold together at 95 %; each study's page says what was run."


class Entry(NamedTuple):
    """A run folder and what it concludes."""

    folder: Path
    conclusion: Conclusion


def table(entries: Sequence[Entry], output: Path) -> Table:
    """A line for each run, linked from the page in the output folder."""
    rows = [[_link(entry, output), *_texts(entry.conclusion)] for entry in entries]
    return Table("", HEADER, rows, NOTE)


def files(entries: Sequence[Entry], output: Path, folders: Sequence[Path]) -> Files:
    """The page of these runs, and the same table as Markdown."""
    shown = table(entries, output)
    counts = Counter(entry.conclusion.verdict for entry in entries)
    words = f"{len(entries)} runs: {', '.join(f'{n} {word}' for word, n in counts.items())}."
    command = f"python -m experiments report {' '.join(map(str, folders))} --output {output}"
    page = Page(TITLE, words, [replace(shown, title="Verdicts")], command=command)
    return {"report.html": render(page), "atlas.md": _marked(entries).markdown().encode()}


def _marked(entries: Sequence[Entry]) -> Table:
    rows = [
        (f"`{found.study}`", found.claim, f"**{found.verdict}**", found.words)
        for _, found in entries
    ]
    return Table("", HEADER, rows)


def _texts(found: Conclusion) -> tuple[str, str, str]:
    return found.claim, found.verdict, found.words


def _link(entry: Entry, output: Path) -> Cell:
    page = Path(os.path.relpath(entry.folder / "report.html", output)).as_posix()
    return Cell(entry.conclusion.study, href=page)
