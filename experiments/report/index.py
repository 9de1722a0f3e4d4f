"""Many runs on one page: a claim, its verdict and the numbers behind it, a line each."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments.report.files import Files
from experiments.report.page import Page, render
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion
from experiments.words import counted

TITLE = "Dropout: what is claimed, and what came out"
MARKDOWN = "RESULTS.md"
UNTIL = "--until-decided"
HEADER = ("study", "claim", "verdict", "in one number", "what came out")
NOTE = (
    "Of a claim in several parts the number is that of the part that tells most, with its own "
    "verdict where this is another. Intervals of a study hold together at 95 %; each study's page "
    "says what was run."
)
Runs = Sequence[tuple[Path, Conclusion]]


def table(runs: Runs, output: Path) -> Table:
    """A line for each run, linked from the page in the output folder."""

    def link(folder: Path, study: str) -> Cell:
        page = os.path.relpath(folder / "report.html", output)
        return Cell(study, href=Path(page).as_posix())

    rows = [
        (link(path, it.study), it.claim, it.verdict, it.number or "–", _listed(it.words))
        for path, it in runs
    ]
    return Table("", HEADER, rows, NOTE)


def _listed(words: str) -> str:
    """Its parts below each other."""
    return "• " + words.replace("; ", "\n• ") if "; " in words else words


def files(runs: Runs, output: Path) -> Files:
    """The page of these runs, and the same as Markdown."""
    counts = Counter(conclusion.verdict for _, conclusion in runs)
    found = ", ".join(f"{n} {word}" for word, n in counts.items())
    words = f"{counted(len(runs), 'run')}: {found}.{_until_decided(runs)}"
    arguments = [*(str(folder) for folder, _ in runs), "--output", str(output)]
    command = shlex.join(["python", "-m", "experiments", "report", *arguments])
    page = Page(TITLE, words, [replace(table(runs, output), title="Verdicts")], command=command)
    return {"report.html": render(page), MARKDOWN: markdown(runs, words).encode()}


def _until_decided(runs: Runs) -> str:
    """How many runs were asked to go on until there is a verdict, and what that means."""
    asked = sum(UNTIL in shlex.split(found.command) for _, found in runs)
    how = "seeds are added until the claim is decided, none would help, or --most-seeds are there"
    return f" {asked} with {UNTIL}: {how}." if asked else ""


def markdown(runs: Runs, words: str) -> str:
    """A line for each run, with the number that tells most; all else can be unfolded."""
    lines = [
        (f"`{found.study}`", found.claim, f"**{found.verdict}**", *_in_one(found))
        for _, found in runs
    ]
    whole = Table("", ("study", "claim", "verdict", "in one number", "data", "seeds"), lines)
    words = re.sub("--[a-z-]+", r"`\g<0>`", words)
    head = f"# {TITLE}\n\n{words} Written by `python -m experiments report`. {NOTE}\n\n"
    return "\n".join([head + whole.markdown(), *(_details(found) for _, found in runs)])


def _in_one(found: Conclusion) -> tuple[str, ...]:
    return found.number or "–", found.data or "–", str(found.seeds or "–")


def _details(found: Conclusion) -> str:
    return (
        f"<details>\n<summary><code>{found.study}</code>: {found.verdict}</summary>\n\n"
        f"{found.details or found.words}\n\n```sh\n{found.command}\n```\n\n</details>\n"
    )
