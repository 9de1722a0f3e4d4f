"""What the study says: whether ours are the published ones, set by set, in words and tables."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from experiments.report.report import Report
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion
from experiments.studies.settings import in_shell
from experiments.studies.uci import figures, published
from experiments.studies.uci.config import PROTOCOLS, TOLERANCES, Uci
from experiments.studies.uci.published import Comparison, Mean, Sets, mean
from experiments.words import counted

WIDTH = 120  # columns that the tables take
PLAIN = {"right": False, "no_wrap": True, "padding": (0, 1, 0, 1)}
WORDS = {True: "agree", False: "disagree", None: "not published"}


def report(claim: str, config: Uci, sets: Sets) -> Report:
    """All of it, from what came out."""
    compared = published.compare(sets, TOLERANCES if config.protocol == "original" else {})
    verdict, words = published.verdict(compared), published.in_words(compared)
    repeated, protocol = _comparisons(compared), caption(config)
    beside = [_arms(sets)] if config.arms else []
    named = replace(repeated, title="Gal & Ghahramani 2016, repeated")
    ran = in_shell("run uci", config), published.in_one(compared), ", ".join(config.names)
    return Report(
        settings=config,
        conclusion=Conclusion("uci", claim, verdict.value, words, *ran, config.seeds),
        verdict=verdict,
        sentence=f"{published.headline(compared)}.",
        numbers={"results.csv": _per_seed(sets), "arms.csv": _arms_per_seed(sets)},
        tables=[repeated, *beside],
        draw=lambda: {
            "published.svg": figures.against_published(compared, protocol),
            "samples.svg": figures.likelihood_by_samples(sets, protocol),
        },
        facts={"protocol": protocol},
        screens=[table.screen(**PLAIN) for table in (named, *beside)],
        lines=[protocol],
        width=WIDTH,
    )


def caption(config: Uci) -> str:
    """What was run."""
    protocol = PROTOCOLS[config.protocol]
    hidden = " and ".join(map(str, protocol.hidden))
    return (
        f"Protocol {config.protocol}: {counted(config.length, 'epoch')} of Adam, batches of "
        f"{protocol.batch_size}, hidden layers of {hidden} units; "
        f"{counted(config.seeds, 'seed')} a split, {config.used.samples:,} samples. ± is the "
        "standard error over splits; differences are paired by split."
    )


def _comparisons(compared: Sequence[Comparison]) -> Table:
    """A row for each measure of each set."""
    header = ("set", "figure", "ours", "published", "difference", "tolerance", "verdict")
    rows = [
        (one.name, one.measure, *map(_cell, one[2:5]), _cell(one.tolerance), WORDS[one.agrees])
        for one in compared
    ]
    return Table("Ours and published", header, rows)


def _arms(sets: Sets) -> Table:
    """What was run beside the published hyperparameters, and how far it is from them."""
    header = ("set", "arm", "RMSE", "less primary", "log-likelihood", "less primary")
    rows = []
    for name, (_, primary, beside) in sets.items():
        for arm, result in beside.items():
            pairs = zip(result.of_splits, primary.of_splits, strict=True)
            means = [mean(values) for its, first in pairs for values in (its, its - first)]
            rows.append((name, arm, *map(_cell, means)))
    return Table("Beside it, without a part in the verdict", header, rows)


def _cell(number: Mean | float | None) -> Cell:
    if number is None:
        return Cell("–")
    if isinstance(number, Mean):
        return Cell(str(number), number.mean)
    return Cell(f"{number:.3f}", number)


def _per_seed(sets: Sets) -> Table:
    """A row for each set, split and seed."""
    header = "set split seed rmse log_likelihood published_rmse published_log_likelihood"
    rows = [
        (name, split, seed, ours.rmse[split, seed], ours.log_likelihood[-1, split, seed],
         *((column[split] for column in published) if published else ("", "")))
        for name, (published, ours, _) in sets.items()
        for split, seed in np.ndindex(ours.rmse.shape)
    ]  # fmt: skip
    return Table("", header.split(), rows)


def _arms_per_seed(sets: Sets) -> Table:
    """A row for each set, arm, split and seed."""
    rows = [
        (name, arm, *at, result.rmse[at], result.log_likelihood[-1][at])
        for name, (_, _, beside) in sets.items()
        for arm, result in beside.items()
        for at in np.ndindex(result.rmse.shape)
    ]
    return Table("", ("set", "arm", "split", "seed", "rmse", "log_likelihood"), rows)
