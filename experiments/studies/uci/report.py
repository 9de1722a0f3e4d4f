"""What the study says: whether ours are the published ones, in words, tables and figures.

Ours are set against published ones, and it is shown how many samples a likelihood needs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.report.colours import BLUE, GREY, PALE, RED
from experiments.report.figures import WIDTH, in_style, panels, picture
from experiments.report.page import Picture
from experiments.report.report import Report
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion
from experiments.studies.figures import in_rows, labelled, on_row
from experiments.studies.settings import in_shell
from experiments.studies.uci import published
from experiments.studies.uci.config import PROTOCOLS, TOLERANCES, Uci
from experiments.studies.uci.published import Comparison, Mean, Sets, headline, mean
from experiments.words import counted

COLUMNS = 120  # that the tables take
PLAIN = {"right": False, "no_wrap": True, "padding": (0, 1, 0, 1)}
WORDS = {True: "agree", False: "disagree", None: "not published"}


def report(claim: str, config: Uci, sets: Sets) -> Report:
    """All of it, from what came out."""
    compared = published.compare(sets, TOLERANCES if config.protocol == "original" else {})
    verdict, words = published.verdict(compared), published.in_words(compared)
    repeated, protocol = _comparisons(compared), caption(config)
    beside = [_arms(sets)] if config.arms else []
    named = replace(repeated, title="Gal & Ghahramani 2016, repeated")
    return Report(
        settings=config,
        conclusion=Conclusion(
            "uci",
            claim,
            verdict.value,
            words,
            in_shell("run uci", config),
            number=published.in_one(compared),
            data=", ".join(config.names),
            seeds=config.seeds,
        ),
        verdict=verdict,
        sentence=f"{headline(compared)}.",
        numbers={"results.csv": _per_seed(sets), "arms.csv": _arms_per_seed(sets)},
        tables=[repeated, *beside],
        draw=lambda: {
            "published.svg": against_published(compared, protocol),
            "samples.svg": likelihood_by_samples(sets, protocol),
        },
        facts={"protocol": protocol},
        screens=[table.screen(**PLAIN) for table in (named, *beside)],
        lines=[protocol],
        width=COLUMNS,
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


@in_style()
def against_published(compared: Sequence[Comparison], caption: str) -> Picture:
    """Each measure of each set, on the common scale of its tolerance."""
    figure = Figure(figsize=(WIDTH, 1.5 + 0.42 * len(compared)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-1, 1, color=PALE, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    for row, one in enumerate(compared):
        on_row(axes, row, one.off, one.words, *((BLUE, "o") if one.agrees else (RED, "s")))
    in_rows(axes, len(compared), "ours less published (tolerances)")
    note = "Grey: within tolerance; means over splits and their standard errors, paired by split."
    return picture(headline(compared), figure, caption, _differences(compared), note)


def _differences(compared: Sequence[Comparison]) -> str:
    """Each in words."""
    said = [
        f"{one.name} {one.measure} {one.difference.mean:+.3f} ± {one.difference.error:.3f}"
        for one in compared
        if one.difference
    ]
    of = "Ours less published, means over splits and their standard errors"
    return f"{of}: {', '.join(said)}." if said else "Nothing is published to compare with."


@in_style()
def likelihood_by_samples(sets: Sets, caption: str) -> Picture:
    """How many samples the log-likelihood needs."""
    figure, shown = panels(len(sets), 2, WIDTH / 2, 1.5, sharex=True, sharey=True)
    short = {}
    for axes, (name, (_, ours, _)) in zip(shown, sets.items(), strict=True):
        means = ours.log_likelihood.mean((1, 2))
        short[name] = abs(float(means[0] - means[-1]))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.plot(ours.samples, means - means[-1], "o-", markersize=3, color=BLUE)
        axes.set(title=name, xscale="log")
        ticks = ours.samples[[0, -1]]
        for label, side in zip(axes.set_xticks(ticks, ticks), ("left", "right"), strict=True):
            label.label1.set_horizontalalignment(side)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.25)
    labelled(figure, shown, "samples", "log-likelihood (nats)")
    first, last = next(iter(sets.values())).ours.samples[[0, -1]]
    worst, least = (end(short, key=short.__getitem__) for end in (max, min))
    return picture(
        f"{counted(first, 'sample')} miss the log-likelihood of {last:,} by at most "
        f"{short[worst]:.2g} nats ({worst})",
        figure,
        caption,
        f"Log-likelihood by number of samples, a panel for each of {counted(len(short), 'set')}; "
        f"least is missed in {least}, {short[least]:.2g} nats.",
        "Test log-likelihood less that of all samples; means over splits and seeds.",
    )
