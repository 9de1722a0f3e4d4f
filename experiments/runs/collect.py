"""Finished runs: what each concludes, and all of them on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.errors import InputError, expect
from experiments.report import index
from experiments.report.verdict import FILE, Conclusion
from experiments.runs import manifest
from experiments.runs.folder import MANIFEST, check_folder, write


@dataclass(frozen=True)
class Digests:
    """What the manifest of any run has, of whatever command."""

    sha256: dict[str, str]


def collect(folders: Sequence[Path], output: Path, overwrite: bool) -> None:
    """Reads the runs, prints the table, writes the page and the table as Markdown."""
    expect(len(folders) > 0, "at least one run folder", "none", "Try runs/*.")
    check_folder(output, overwrite)
    entries = [(folder, concluded(folder)) for folder in folders if folder != output]
    Console().print(index.table(entries, output).screen((0, 1, 2), padding=(0, 1, 0, 1)))
    files = index.files(entries, output, folders)
    command, digests = ["report", *map(str, folders)], manifest.sha256(files)
    write(output, files, {"command": command, "sha256": digests})
    print(f"Written to {output}")


def concluded(run: Path) -> Conclusion:
    """What a finished run concludes; its files are as its manifest says."""
    if not (run / MANIFEST).is_file():
        raise InputError(f"Expected {run} to hold a finished run; got no {MANIFEST}.")
    digests = manifest.read_json(Digests, run / MANIFEST).sha256
    manifest.check_names(run, digests)
    if name := manifest.first_file_that_differs(run, digests):
        raise InputError(f"Expected {run} to be as its manifest says; got another {name}.")
    return manifest.read_json(Conclusion, run / FILE)
