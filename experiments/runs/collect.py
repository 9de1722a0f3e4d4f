"""Finished runs: what each concludes, and all of them on one page."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from experiments.errors import InputError, expect
from experiments.report import index
from experiments.report.verdict import FILE, Conclusion
from experiments.runs import manifest
from experiments.runs.folder import (
    MANIFEST,
    UNFINISHED,
    check_folder,
    holds,
    how_to_resume,
    put,
    write,
)
from experiments.words import Unset


@dataclass(frozen=True)
class Listed:
    """What the manifest of any run has, of whatever command."""

    sha256: dict[str, str]
    config: dict[str, Any] = field(default_factory=dict)


def collect(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    output: Path = Path("runs", "atlas"),
    overwrite: bool = False,
    markdown: Unset[Path] = None,
) -> None:
    """One page over many runs: a claim, its verdict and what came out, a line each.

    Whatever concludes nothing is skipped, and named: smoke runs, unfinished ones, other folders.

    Args:
        runs: Folders, such as runs/*.
        output: Folder of the page, and of the same table as Markdown; such a page is replaced.
        overwrite: Replace a run that the folder holds.
        markdown: File for the Markdown besides, such as experiments/RESULTS.md.
    """
    expect(len(runs) > 0, "at least one run folder", "none", "Try runs/*.")
    check_folder(output, overwrite or _is_page(output))
    reasons = {folder: _reason(folder) for folder in runs}
    for folder, reason in reasons.items():
        if reason:
            print(f"Skipped {folder}: {reason}.")
    entries = [(folder, concluded(folder)) for folder, reason in reasons.items() if not reason]
    expect(len(entries) > 0, "a run that concludes something", "none", "Try run all.")
    Console().print(index.table(entries, output).screen((0, 1, 2), padding=(0, 1, 0, 1)))
    files, words = index.files(entries, output), ["report", *(str(folder) for folder, _ in entries)]
    if markdown is not None:
        _publish(markdown, files[index.MARKDOWN])
    write(output, files, {"command": words, "sha256": manifest.sha256(files)})
    print(f"Written to {output}")


def _publish(path: Path, content: bytes) -> None:
    """Replaces no file but one of its own."""
    fix = "Choose another --markdown."
    try:
        own = not path.exists() or path.read_bytes().startswith(content.splitlines()[0])
        expect(own, "--markdown to name a new file, or such a page", f"{path}, which is not", fix)
        put(path, content)
    except OSError as error:
        raise InputError(f"Expected to write {path}; got: {error.strerror}. {fix}") from None


def _reason(folder: Path) -> str:
    """Why a folder is left out, if it is."""
    if not holds(folder, MANIFEST):
        begun = holds(folder, UNFINISHED)
        return f"unfinished ({how_to_resume(folder)})" if begun else "no run"
    found = manifest.read_json(Listed, folder / MANIFEST)
    if FILE not in found.sha256:
        return "it concludes nothing"
    return "a smoke run, which is no result" if found.config.get("smoke") else ""


def _is_page(folder: Path) -> bool:
    """Whether it holds a page of this command's."""
    there = holds(folder, MANIFEST)
    return there and index.MARKDOWN in manifest.read_json(Listed, folder / MANIFEST).sha256


def concluded(run: Path) -> Conclusion:
    """What a finished run concludes; its files are as its manifest says."""
    digests = manifest.read_json(Listed, run / MANIFEST).sha256
    manifest.check_names(run, digests)
    if name := manifest.first_file_that_differs(run, digests):
        raise InputError(f"Expected {run} to be as its manifest says; got another {name}.")
    return manifest.read_json(Conclusion, run / FILE)
