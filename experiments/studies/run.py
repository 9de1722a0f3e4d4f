"""From a design to what a run consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from experiments.report.report import Report
from experiments.report.verdict import Verdict
from experiments.runs.execute import Runnable, of_looks
from experiments.studies import results
from experiments.studies.claim import findings
from experiments.studies.design import Design, Protocol, together
from experiments.studies.report import report
from experiments.studies.results import Cut, Result
from experiments.studies.settings import Settings, command_line
from experiments.training.chunks import Layout
from experiments.training.devices import agree, say
from experiments.training.sweep import Histories
from experiments.words import counted

Results = Mapping[str, Result]


def name_of(study: Any) -> str:
    """A study is a module with a CLAIM, its DEFAULTS and its design; this is its file's name."""
    return study.__name__.rpartition(".")[2]


def prepare(
    study: Any, settings: Settings, layouts: Mapping[str, Layout] | None = None
) -> Runnable[Histories]:
    """Builds its networks and loads the data; cut up as memory has it, or as it was."""
    settings, name = settings.anywhere, name_of(study)
    words, used = command_line(f"run {name}", settings, study.DEFAULTS), settings.used
    design = together({
        dataset: study.design(replace(used, dataset=(dataset,))) for dataset in used.dataset
    })  # fmt: skip
    reported = partial(report, name, study, settings, design)
    enough = partial(_enough, design, used)
    cut = layouts or settings.chunk
    return runnable(words, settings, used.protocol, used.looks, design, cut, reported, enough)


def _enough(design: Design, settings: Settings, results: Results) -> bool:
    """Whether no contrast is open that more seeds could close."""
    found = findings(design, results, settings.margin, len(settings.looks))
    opened = [one for one in found if one.verdict is Verdict.OPEN]
    enough = not any(one.can_be_closed for one in found)
    seeds = found[0].spread.seeds
    after = f"After {counted(seeds, 'seed')}"
    say(f"{after} {len(opened)} of {len(found)} parts of the claim are open.")
    return agree(enough)


def runnable(
    command: list[str],
    settings: Any,
    protocol: Protocol,
    ends: Sequence[int],
    design: Design,
    cut: Cut,
    report: Callable[[Results], Report],
    enough: Callable[[Results], bool] = lambda _: False,
    point: float = 1.0,
    files: Mapping[str, str] = {},
) -> Runnable[Histories]:
    """What any design asks of training; `report` says what came out."""
    looks = results.looks(design, protocol, ends, cut)

    def of(histories: Histories) -> Results:
        return results.results(design, looks, histories)

    return of_looks(
        command,
        settings,
        looks,
        files,
        enough=lambda histories: len(looks) > 1 and enough(of(histories)),
        report=lambda histories: report(of(histories)),
        compared={"results.csv": 3, "history.csv": 4},
        point=point,
    )
