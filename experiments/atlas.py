"""Many runs on one page: a claim, its verdict and the numbers behind it, a line each."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments import manifest, page, parse, runs
from experiments.conclusion import FILE, Conclusion
from experiments.errors import InputError, expect
from experiments.page import Cell, Grid, Page

TITLE = "Dropout: what is claimed, and what came out"


class Entry(NamedTuple):
    """A run folder and what it concludes."""

    folder: Path
    conclusion: Conclusion


def atlas(folders: Sequence[Path], output: Path, overwrite: bool) -> None:
    """Reads the runs, prints the table, writes the page and the table as Markdown."""
    expect(len(folders) > 0, "at least one run folder", "none", "Try runs/*.")
    runs.check_folder(output, overwrite)
    entries = [Entry(folder, read(folder)) for folder in folders if folder != output]
    Console().print(_screen(entries))
    files = {"report.html": _page(entries, output, folders), "atlas.md": _markdown(entries)}
    runs.write(output, files, {"command": "report", "sha256": manifest.sha256(files)})
    print(f"Written to {output}")


def read(folder: Path) -> Conclusion:
    """What a finished run concludes; its files are as its manifest says."""
    if not (folder / runs.MANIFEST).is_file():
        raise InputError(f"Expected {folder} to hold a finished run; got no {runs.MANIFEST}.")
    content = parse.load(folder / runs.MANIFEST)
    digests = parse.parse(
        dict[str, str], content.get("sha256") if isinstance(content, dict) else None, "sha256"
    )
    manifest.check_names(folder, digests)
    if name := manifest.first_file_that_differs(folder, digests):
        raise InputError(f"Expected {folder} to be as its manifest says; got another {name}.")
    return parse.read(Conclusion, folder / FILE)


def _screen(entries: Sequence[Entry]) -> Table:
    table = Table("study", "claim", "verdict", box=box.SIMPLE_HEAD)
    for _, found in entries:
        table.add_row(found.study, found.claim, found.verdict)
    return table


def _page(entries: Sequence[Entry], output: Path, folders: Sequence[Path]) -> bytes:
    rows = [
        [
            Cell(found.study, href=_link(folder, output)),
            found.claim,
            found.verdict,
            found.words,
        ]
        for folder, found in entries
    ]
    header = ("study", "claim", "verdict", "what came out")
    note = "Intervals of a study hold together at 95 %; each study's page says what was run."
    words = ", ".join(f"{count} {word}" for word, count in _counts(entries).items())
    command = f"python -m experiments report {' '.join(map(str, folders))} --output {output}"
    grid = Grid("Verdicts", header, rows, note)
    return page.render(Page(TITLE, f"{len(entries)} runs: {words}.", [grid], command=command))


def _link(folder: Path, output: Path) -> str:
    """From the one folder to the page in the other."""
    return Path(os.path.relpath(folder / "report.html", output)).as_posix()


def _counts(entries: Sequence[Entry]) -> Mapping[str, int]:
    words = [found.verdict for _, found in entries]
    return {word: words.count(word) for word in dict.fromkeys(words)}


def _markdown(entries: Sequence[Entry]) -> bytes:
    lines = ["| study | claim | verdict | what came out |", "|---|---|---|---|"]
    for _, found in entries:
        cells = (f"`{found.study}`", found.claim, f"**{found.verdict}**", found.words)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return ("\n".join(lines) + "\n").encode()
