"""`python -m experiments list` and `run`: every study, by its name."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from experiments.errors import expect
from experiments.report.verdict import Verdict, together
from experiments.runs.checkpoint import CHECKPOINT_EVERY
from experiments.runs.execute import Runnable, execute
from experiments.runs.folder import MANIFEST, UNFINISHED, check_folder, holds
from experiments.runs.manifest import Head, read_json
from experiments.runs.resume import bring_to_end
from experiments.studies import STUDIES
from experiments.studies.parser import call
from experiments.studies.run import Layouts, folder, hurry, notice
from experiments.studies.settings import Common, command_line
from experiments.training import devices
from experiments.words import Unnamed, Unset


def list_studies() -> None:
    """A table for people; for programs lines of name, claim and usual time, a tab between them."""
    each = STUDIES.items()
    rows = [(typed(name), study.claim, study.takes.partition(",")[0]) for name, study in each]
    if not sys.stdout.isatty():
        print("\n".join(map("\t".join, rows)))
        return
    table = Table("study", "claim", "takes usually")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@dataclass(frozen=True)
class All:
    """Runs every study whose data are there.

    Takes over an hour on two cores; with --smoke some minutes.
    """

    data_dir: Unset[Path] = None
    """Folder of the data, for studies that need one; by default each study's own."""
    smoke: bool = False
    """The smallest version of each."""
    until_decided: bool = False
    """Add seeds to each study that can, until its claim is decided."""
    output: Path = Path("runs")
    """Folder for the runs: each study has one of its own in it, as by itself."""
    overwrite: bool = False
    """Replace the runs that it holds."""
    resume: bool = False
    """Keep the runs that it holds, and bring those that are unfinished to their end."""
    strict: bool = False
    """Exit with 1 if a claim is refuted, and with 3 if one stays open."""

    def __post_init__(self) -> None:
        """Checks that it is one of both."""
        both, fix = self.overwrite and self.resume, "One replaces what the other keeps."
        expect(not both, "--overwrite or --resume", "both", fix)


class Asked(NamedTuple):
    """One study, and how it is to be run."""

    name: str
    settings: Common

    @property
    def folder(self) -> Path:
        """Where the run goes."""
        return self.settings.output or folder(Path("runs"), self.name, self.settings.smoke)

    @property
    def words(self) -> list[str]:
        """As the manifest has them."""
        return command_line(f"run {self.name}", self.settings, STUDIES[self.name].defaults)

    def prepare(self, layouts: Layouts) -> Runnable[Any]:
        """What is to be trained."""
        hurry(self.settings.smoke)
        return STUDIES[self.name].prepare(self.settings, layouts)

    def run(self) -> Verdict:
        """Trains, prints and writes; whether the claim holds."""
        self._check()
        settings, takes = self.settings, STUDIES[self.name].takes
        check_folder(self.folder, settings.overwrite)
        devices.say(notice(typed(self.name), takes, settings.smoke), sys.stderr)
        every = getattr(settings, "checkpoint_every", CHECKPOINT_EVERY)
        verdict = execute(self.prepare({}), self.folder, settings.overwrite, every)
        assert verdict is not None, "every study claims something"
        return verdict

    def _check(self) -> None:
        """A number that nothing asks for is a mistake; its usual value is a study's own."""
        usual = getattr(STUDIES[self.name].defaults, "most_seeds", None)
        idle = not getattr(self.settings, "until_decided", True)
        other = getattr(self.settings, "most_seeds", None) != usual
        fix = "Add --until-decided, or say with --seeds how many there are."
        expect(not (idle and other), "--until-decided with --most-seeds", "the latter alone", fix)


def run(arguments: Sequence[str]) -> int:
    """Runs one study or all; the status is that of the verdicts."""
    asked = parse(arguments)
    if isinstance(asked, All):
        return _run_all(asked)
    verdict = asked.run()
    print(f"verdict: {verdict.value}")
    return verdict.status(asked.settings.strict)


def parse(arguments: Sequence[str]) -> Asked | All:
    """What the words behind `run` ask for."""
    commands = {typed(name): _command(name) for name in STUDIES} | {"all": All}
    listed = "They are named by python -m experiments list."
    kind = "the name of a study, or all"
    return call("python -m experiments run", commands, arguments, kind, listed)


def typed(name: str) -> str:
    """Of a study, as people type it."""
    return name.replace("_", "-")


def _command(name: str) -> Any:
    def command(config: Any) -> Asked:
        return Asked(name, config)

    study = STUDIES[name]
    command.__doc__ = f"{study.claim[0].upper()}{study.claim[1:]}? Takes {study.takes}."
    command.__annotations__ = {"config": Unnamed[type(study.defaults)]}
    command.__defaults__ = (study.defaults,)
    return command


def _run_all(config: All) -> int:
    verdicts = {name: _run_one(name, config) for name in STUDIES}
    ran = {name: verdict for name, verdict in verdicts.items() if verdict is not None}
    said = [f"{typed(name)} {verdict.value}" for name, verdict in ran.items()]
    said += [f"{typed(name)} skipped" for name, verdict in verdicts.items() if verdict is None]
    print(f"verdict: {', '.join(said)}" if ran else "verdict: none, for no study has its data")
    return together(ran.values(), config.strict)


def _run_one(name: str, config: All) -> Verdict | None:
    study, usual = STUDIES[name], STUDIES[name].defaults
    asks = {"data_dir": config.data_dir, "until_decided": config.until_decided or None}
    given = {it: value for it, value in asks.items() if value is not None and it in vars(usual)}
    output = folder(config.output, name, config.smoke)
    settings = replace(
        usual, smoke=config.smoke, overwrite=config.overwrite, output=output, **given
    )
    asked = Asked(name, settings)
    if reason := study.lacks(asked.settings):
        print(f"{typed(name)}: skipped, {reason}")
        return None
    verdict = _kept(asked) if config.resume else asked.run()
    print(f"{typed(name)}: {verdict.value}")
    return verdict


def _kept(asked: Asked) -> Verdict:
    """Of a run that is there, or of one begun now."""
    there = [name for name in (MANIFEST, UNFINISHED) if holds(asked.folder, name)]
    if not there:
        return asked.run()
    same = read_json(Head, asked.folder / there[0]).command == asked.words
    expected = f"{asked.folder} to hold a run of {typed(asked.name)} with these settings"
    expect(same, expected, "another", "Choose another --output, or --overwrite.")
    verdict = bring_to_end(asked.folder, CHECKPOINT_EVERY, lambda _, cuts: asked.prepare(cuts))
    assert verdict is not None, "every study claims something"
    return verdict
