"""What all studies have in common; and from a design to what a run consists of."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.report.report import Report
from experiments.report.verdict import Verdict
from experiments.runs.execute import Runnable, of_looks
from experiments.studies import results
from experiments.studies.claim import findings
from experiments.studies.design import Design, together
from experiments.studies.report import report
from experiments.studies.results import Results, Tasks
from experiments.studies.settings import Settings, command_line
from experiments.training import devices
from experiments.training.chunks import Layout
from experiments.training.sweep import Histories
from experiments.words import counted

Layouts = Mapping[str, Layout]
"""How the cases of a run were cut up, by their titles."""

UNTIMED = "a time that nobody has taken"


class Study(NamedTuple):
    """Its claim, its usual settings, what it hands over to be run, which data it lacks."""

    claim: str
    defaults: Any
    prepare: Callable[[Any, Layouts], Runnable[Any]]
    """Cuts the work up as it was, or else as memory has it."""
    lacks: Callable[[Any], str] = lambda _: ""
    """In words; nothing if none are."""
    takes: str = UNTIMED
    """How long, with its usual settings, and on what."""


def name_of(study: Any) -> str:
    """A study is a module with a CLAIM, its DEFAULTS and its design; this is its file's name."""
    return study.__name__.rpartition(".")[2]


def how_long(documentation: str | None) -> str:
    """What a study's module says of it."""
    said = re.search(r"^Takes (.+)\.$", documentation or "", re.MULTILINE)
    return said[1] if said else UNTIMED


def notice(name: str, takes: str, smoke: bool) -> str:
    """How long it will take, and with which settings."""
    with_what, long = ("--smoke", "seconds") if smoke else ("its usual settings", takes)
    return f"With {with_what} {name} takes {long}."


def folder(runs: Path, name: str, smoke: bool) -> Path:
    """Of a study's run among others; one that concludes nothing stands beside those that do."""
    return runs / (f"{name}-smoke" if smoke else name)


def hurry(smoke: bool) -> None:
    """A smoke run is over before good programs would be compiled."""
    if smoke:
        jax.config.update("jax_disable_most_optimizations", True)


def whole(prepare: Callable[[Any], Runnable[Any]]) -> Callable[[Any, Layouts], Runnable[Any]]:
    """Of networks that are not cut up: one process trains them."""

    def prepared(settings: Any, _: Layouts) -> Runnable[Any]:
        devices.alone("such a study")
        return prepare(settings)

    return prepared


def prepare(study: Any, settings: Settings, layouts: Layouts | None = None) -> Runnable[Histories]:
    """Builds its networks and loads the data; cut up as memory has it, or as it was."""
    settings, name = settings.anywhere, name_of(study)
    words, used = command_line(f"run {name}", settings, study.DEFAULTS), settings.used
    design = together({
        dataset: study.design(replace(used, dataset=(dataset,))) for dataset in used.dataset
    })  # fmt: skip
    looks = results.looks(design, used.protocol, used.looks, layouts or settings.chunk)
    reported = partial(report, name, study, settings, design)
    return runnable(words, settings, looks, design, reported, partial(_enough, design, used))


def _enough(design: Design, settings: Settings, results: Results) -> bool:
    """Whether no contrast is open that more seeds could close."""
    found = findings(design, results, settings.margin, len(settings.looks))
    opened = sum(one.verdict is Verdict.OPEN for one in found)
    after = f"After {counted(found[0].spread.seeds, 'seed')}"
    devices.say(f"{after} {opened} of {len(found)} parts of the claim are open.")
    return devices.agree(not any(one.can_be_closed for one in found))


def runnable(
    command: list[str],
    settings: Any,
    looks: Sequence[Tasks],
    design: Design,
    report: Callable[[Results], Report],
    enough: Callable[[Results], bool] = lambda _: False,
    **rest: Any,
) -> Runnable[Histories]:
    """What any design asks of training; `report` says what came out."""

    def of(histories: Histories) -> Results:
        return results.results(design, looks, histories)

    return of_looks(
        command,
        settings,
        looks,
        enough=lambda histories: len(looks) > 1 and enough(of(histories)),
        report=lambda histories: report(of(histories)),
        compared={"results.csv": 3, "history.csv": 4},
        **rest,
    )
