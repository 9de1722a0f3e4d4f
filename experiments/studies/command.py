"""`python -m experiments list` and `run`: every study, by its name."""

import dataclasses
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from experiments.errors import expect
from experiments.report.files import as_json
from experiments.report.verdict import Verdict, together
from experiments.runs import folder as runs
from experiments.runs import parse
from experiments.runs.checkpoints import CHECKPOINT_EVERY
from experiments.runs.manifest import Head, Manifest
from experiments.runs.resume import resume, verdict_of
from experiments.studies import STUDIES, Study
from experiments.studies.prepared import prepared
from experiments.training.devices import Cluster


def list_studies() -> None:
    """A table for people; lines of name, tab, claim for programs."""
    if not sys.stdout.isatty():
        for name, study in STUDIES.items():
            print(f"{name}\t{study.claim}")
        return
    table = Table("study", "claim")
    for name, study in STUDIES.items():
        table.add_row(name, study.claim)
    Console().print(table)


@dataclass(frozen=True)
class All:
    """Runs every study whose data are there."""

    data_dir: Path | None = None
    """Folder of the data, for studies that need one."""
    smoke: bool = False
    """The smallest version of each."""
    output: Path = Path("runs")
    """Folder for the runs: each study has one of its own in it."""
    overwrite: bool = False
    """Replace the runs that it holds."""
    resume: bool = False
    """Keep the runs that it holds, and bring those that are unfinished to their end."""

    def __post_init__(self) -> None:
        """Checks that it is one of both."""
        both, fix = self.overwrite and self.resume, "One replaces what the other keeps."
        expect(not both, "--overwrite or --resume", "both", fix)


def run(arguments: Sequence[str]) -> int:
    """Runs one study or all; the status is 0 if the claim holds, 1 if not, 3 if that is open."""
    app = tyro.extras.SubcommandApp()
    for name, study in STUDIES.items():
        app.command(name=name)(_of(study))
    app.command(name="all")(_of_all)
    return app.cli(
        prog="python -m experiments run", args=arguments, config=(tyro.conf.OmitArgPrefixes,)
    )


def _of(study: Study) -> Any:
    def command(config: Any) -> int:
        verdict = study.run(config)
        print(f"verdict: {verdict.value}")
        return verdict.status

    kind = type(study.defaults)
    command.__doc__ = inspect.getdoc(kind)
    command.__annotations__ = {"config": tyro.conf.OmitArgPrefixes[kind], "return": int}
    command.__defaults__ = (study.defaults,)
    return command


def _of_all(config: All) -> int:
    """Runs every study whose data are there."""
    verdicts = {name: _run_one(name, study, config) for name, study in STUDIES.items()}
    ran = {name: verdict for name, verdict in verdicts.items() if verdict is not None}
    words = [f"{name} {verdict.value}" for name, verdict in ran.items()]
    words += [f"{name} skipped" for name, verdict in verdicts.items() if verdict is None]
    print(f"verdict: {', '.join(words)}" if ran else "verdict: none, for no study has its data")
    return together(ran.values())


def _run_one(name: str, study: Study, config: All) -> Verdict | None:
    given = {"smoke": config.smoke, "overwrite": config.overwrite, "output": config.output / name}
    known = {field.name for field in fields(study.defaults)}
    if config.data_dir is not None and "data_dir" in known:
        given["data_dir"] = config.data_dir
    settings = replace(study.defaults, **given)
    if reason := study.lacks(settings):
        print(f"{name}: skipped, {reason}")
        return None
    verdict = _verdict(name, study, settings, config.resume)
    print(f"{name}: {verdict.value}")
    return verdict


def _verdict(name: str, study: Study, settings: Any, kept: bool) -> Verdict:
    """Of a run that is there, or of one begun now."""
    folder = settings.output
    there = [file for file in (runs.MANIFEST, runs.UNFINISHED) if (folder / file).exists()]
    if not (kept and there):
        return study.run(settings)
    known = parse.read(Manifest if there[0] == runs.MANIFEST else Head, folder / there[0])
    config = as_json(dataclasses.asdict(settings.anywhere))
    same = (known.command, as_json(known.config)) == (f"run {name}", config)
    fix = "Choose another --output, or --overwrite."
    expect(same, f"{folder} to hold a run of {name} with these settings", "another", fix)
    resume(folder, CHECKPOINT_EVERY, Cluster(), prepared)
    verdict = verdict_of(folder)
    assert verdict is not None, "every study claims something"
    return verdict
