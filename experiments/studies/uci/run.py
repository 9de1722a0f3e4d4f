"""Does Monte-Carlo dropout give the published regression table?

Claim: trained by the published protocol on the published splits, RMSE and log-likelihood are those
of Gal & Ghahramani 2016, within what seeds and splits leave open.

Arms: the published hyperparameters, which alone decide. Beside them, on request: dropout off, rate
and precision searched inside each training split, learned rates (concrete dropout).

Minutes: under 5 on two cores for the four small sets, and 2 for power-plant.

Came out (one seed a split): all five sets agree in the protocol `original`, yacht and energy in
`10x`, yacht in `2layers`; the others were not tried there. With dropout off, energy gets
far better (RMSE 0.55 for 1.71: at the published rate it underfits), wine and the likelihood of the
concrete set worse.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from rich.console import Console

from experiments.report.files import Files, as_json
from experiments.report.page import Page, Picture, render
from experiments.report.verdict import Conclusion
from experiments.runs.execute import Runnable
from experiments.runs.manifest import Case, Head
from experiments.studies.settings import command_line, in_shell
from experiments.studies.study import Study, whole
from experiments.studies.uci import arms, compare, data, figures, report, train
from experiments.studies.uci.arms import Problem
from experiments.studies.uci.config import Uci
from experiments.studies.uci.protocol import PROTOCOLS, TOLERANCES, Hyperparameters
from experiments.studies.uci.score import Result
from experiments.training.keys import seed_keys
from experiments.training.sweep import Checkpoints

CLAIM = "Monte-Carlo dropout: RMSE and log-likelihood of Gal & Ghahramani 2016 on the UCI sets"


class Found(NamedTuple):
    """Of each set: what is published, and what came out."""

    published: Mapping[str, data.Published | None]
    results: dict[str, Result]
    beside: dict[str, dict[str, Result]]


def lacks(config: Uci) -> str:
    """Which data are missing, in words; nothing if none are."""
    missing = [name for name in config.names if not (config.data_dir / name / "data.txt").exists()]
    return f"no {', '.join(missing)} in {config.data_dir} (--data-dir)" if missing else ""


def prepare(config: Uci) -> Runnable[Found]:
    """Reads everything before anything is trained."""
    config = config.anywhere
    protocol, keys = PROTOCOLS[config.protocol], seed_keys(config.seed, config.seeds)
    longer = protocol._replace(epochs=config.length)
    chosen = {name: config.hyperparameters(name) for name in config.names}
    problems, published = {}, {}
    for name in config.names:
        folder = config.data_dir / name
        splits = data.load(folder)
        problems[name] = Problem(folder, splits, longer, chosen[name], keys, config.drawn)
        published[name] = data.published(folder, protocol.published, len(splits.mean))
    cases = {name: Case(None, train.inputs(problem[1:])) for name, problem in problems.items()}
    return Runnable(
        Head.of(command_line("run uci", config), config, cases),
        partial(_train, config, problems, published),
        tables=partial(_tables, config),
        compared={"results.csv": 3, "arms.csv": 4},
        figures=partial(_figures, config),
        show=partial(_show, config),
        verdict=lambda found: compare.verdict(_compared(config, found)),
    )


def _train(
    config: Uci,
    problems: Mapping[str, Problem],
    published: Mapping[str, data.Published | None],
    checkpoints: Checkpoints,
) -> Found:
    """Set after set; each arm is a part."""
    results, beside = {}, {}
    for name, problem in problems.items():
        if config.search:
            found = checkpoints.part(f"{name}-search", lambda p=problem: arms.search(p)._asdict())
            problem = problem._replace(chosen=Hyperparameters(**found))
        results[name] = _part(checkpoints, name, lambda p=problem: train.run(*p[1:]))
        beside[name] = {
            arm: _part(checkpoints, f"{name}-{arm}", lambda p=problem, a=arm: arms.run_arm(a, p))
            for arm in config.arms
        }
    return Found(published, results, beside)


def _part(checkpoints: Checkpoints, name: str, make: Callable[[], Result]) -> Result:
    return Result(**checkpoints.part(name, lambda: make()._asdict()))


def _compared(config: Uci, found: Found) -> list[compare.Row]:
    tolerances = TOLERANCES if config.protocol == "original" else {}
    return [
        row
        for name, result in found.results.items()
        for row in compare.rows(name, result, found.published[name], tolerances.get(name))
    ]


def _concluded(config: Uci, found: Found) -> Conclusion:
    compared = _compared(config, found)
    verdict, words = compare.verdict(compared).value, compare.in_words(compared)
    return Conclusion("uci", CLAIM, verdict, words, in_shell("run uci", config))


def _tables(config: Uci, found: Found) -> Files:
    return {
        "config.json": as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(found.results, found.published),
        "arms.csv": report.arms_csv(found.beside),
        **_concluded(config, found).file(),
    }


def _figures(config: Uci, found: Found) -> Files:
    caption, concluded = _caption(config), _concluded(config, found)
    pictures = {
        "published.png": figures.against_published(found.results, found.published, caption),
        "samples.png": figures.likelihood_by_samples(found.results, caption),
    }
    compared = _compared(config, found)
    grids = [report.page_grid(compared), *report.arms_grids(found.results, found.beside)]
    shown = [Picture(name.removesuffix(".png"), png) for name, png in pictures.items()]
    facts, verdict = {"protocol": caption}, concluded.verdict.capitalize()
    page = Page(f"{CLAIM}?", verdict, grids, shown, facts, concluded.command)
    return {**pictures, "report.html": render(page)}


def _show(config: Uci, found: Found) -> None:
    console = Console(highlight=False, width=max(Console().width, report.WIDTH))
    console.print(report.table(_compared(config, found)))
    if config.arms:
        console.print(report.arms_table(found.results, found.beside))
    console.print(_caption(config))


def _caption(config: Uci) -> str:
    protocol = PROTOCOLS[config.protocol]
    hidden = " and ".join(map(str, protocol.hidden))
    return (
        f"Protocol {config.protocol}: {config.length} epochs of Adam, batches of "
        f"{protocol.batch_size}, hidden layers of {hidden} units; {config.seeds} seed(s) a split, "
        f"{config.drawn:,} samples. ± is the standard error over splits; differences are paired "
        "by split."
    )


UCI = Study(CLAIM, Uci(), whole(prepare), lacks)
