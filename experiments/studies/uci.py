"""Does Monte-Carlo dropout give the published regression table?

Claim: trained by the published protocol on the published splits, RMSE and log-likelihood are those
of Gal & Ghahramani 2016, within what seeds and splits leave open.

Arms: the published hyperparameters, which alone decide. Beside them, on request: dropout off, rate
and precision searched inside each training split, learned rates (concrete dropout).

Minutes: under 5 on two cores for the four small sets, and 2 for power-plant.

Came out (protocol `original`, one seed a split): all five sets agree.
"""

import dataclasses
from typing import NamedTuple

from rich.console import Console

from experiments import runs
from experiments.studies.verdict import Verdict
from experiments.train import seed_keys
from experiments.uci import arms, data, figures, report, train
from experiments.uci.arms import Problem
from experiments.uci.config import Uci
from experiments.uci.protocol import PROTOCOLS, TOLERANCES
from experiments.uci.score import Result

CLAIM = "Monte-Carlo dropout: RMSE and log-likelihood of Gal & Ghahramani 2016 on the UCI sets"


class Found(NamedTuple):
    """Of each set: what all arms share, what is published, and what came out."""

    problems: dict[str, Problem]
    published: dict[str, data.Published | None]
    results: dict[str, Result]
    beside: dict[str, dict[str, Result]]


def lacks(config: Uci) -> str:
    """Which data are missing, in words; nothing if none are."""
    missing = [name for name in config.names if not (config.data_dir / name / "data.txt").exists()]
    return f"no {', '.join(missing)} in {config.data_dir} (--data-dir)" if missing else ""


def uci(config: Uci) -> Verdict:
    """Runs, prints and writes; whether all that is published was met."""
    runs.check_folder(config.output, config.overwrite)
    found = _find(config)
    tolerances = TOLERANCES if config.protocol == "original" else {}
    compared = [
        row
        for name, result in found.results.items()
        for row in report.rows(name, result, found.published[name], tolerances.get(name))
    ]
    console = Console(highlight=False, width=max(Console().width, report.WIDTH))
    console.print(report.table(compared))
    if config.arms:
        console.print(report.arms_table(found.results, found.beside))
    console.print(_caption(config))
    _write(config, found)
    print(f"Written to {config.output}")
    return Verdict.AGREE if report.agree(compared) else Verdict.DISAGREE


def _find(config: Uci) -> Found:
    """Reads everything before anything is trained."""
    protocol, keys = PROTOCOLS[config.protocol], seed_keys(config.seed, config.seeds)
    chosen = {name: config.hyperparameters(name) for name in config.names}
    longer = protocol._replace(epochs=config.length)
    problems, published = {}, {}
    for name in config.names:
        folder = config.data_dir / name
        splits = data.load(folder)
        problems[name] = Problem(folder, splits, longer, chosen[name], keys, config.drawn)
        published[name] = data.published(folder, protocol.published, len(splits.mean))
    results = {name: train.run(*problem[1:]) for name, problem in problems.items()}
    beside = {
        name: {arm: arms.run_arm(arm, problem) for arm in config.arms}
        for name, problem in problems.items()
    }
    return Found(problems, published, results, beside)


def _write(config: Uci, found: Found) -> None:
    caption = _caption(config)
    files = {
        "config.json": runs.as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(found.results, found.published),
        "published.png": figures.against_published(found.results, found.published, caption),
        "samples.png": figures.likelihood_by_samples(found.results, caption),
    }
    if config.arms:
        files["arms.csv"] = report.arms_csv(found.beside)
    arrays = [array for problem in found.problems.values() for array in problem.splits]
    runs.write(config.output, files, runs.manifest(config.seed, arrays, files, "run uci"))


def _caption(config: Uci) -> str:
    protocol = PROTOCOLS[config.protocol]
    hidden = " and ".join(map(str, protocol.hidden))
    return (
        f"Protocol {config.protocol}: {config.length} epochs of Adam, batches of "
        f"{protocol.batch_size}, hidden layers of {hidden} units; {config.seeds} seed(s) a split, "
        f"{config.drawn:,} samples. ± is the standard error over splits; differences are paired "
        "by split."
    )
