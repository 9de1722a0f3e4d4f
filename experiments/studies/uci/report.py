"""The comparison in tables: on the screen, on its page, as files."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table as Screen

from experiments.report.table import Cell, Table
from experiments.studies.uci.published import Comparison, Mean, Sets, mean

HEADER = ("set", "figure", "ours", "published", "difference", "tolerance", "")
BESIDE = ("set", "arm", "RMSE", "less primary", "log-likelihood", "less primary")
WORDS = {True: "agree", False: "disagree", None: "not published"}


def comparison(compared: Sequence[Comparison], title: str) -> Table:
    """A row for each measure of each set."""
    rows = [
        [one.name, one.measure, *map(_cell, one[2:5]), _tolerance(one), WORDS[one.agrees]]
        for one in compared
    ]
    return Table(title, HEADER, rows)


def _cell(mean: Mean | None) -> Cell:
    return Cell("–") if mean is None else Cell(str(mean), mean.mean)


def _tolerance(one: Comparison) -> Cell:
    return Cell("–") if one.tolerance is None else Cell(f"{one.tolerance:.3f}", one.tolerance)


def beside(sets: Sets) -> Table:
    """What was run beside the primary arm, and how far it is from it."""
    rows = []
    for name, (_, primary, arms) in sets.items():
        for arm, result in arms.items():
            pairs = zip(result.of_splits, primary.of_splits, strict=True)
            means = [mean(values) for its, first in pairs for values in (its, its - first)]
            rows.append([name, arm, *map(_cell, means)])
    return Table("Beside it, without a part in the verdict", BESIDE, rows)


def screen(table: Table) -> Screen:
    """As this study prints its tables."""
    return table.screen(right=False, no_wrap=True, padding=(0, 1, 0, 1))


def results_csv(sets: Sets) -> bytes:
    """A row for each set, split and seed."""
    header = "set split seed rmse log_likelihood published_rmse published_log_likelihood"
    rows = [
        [name, *at, ours.rmse[at], ours.log_likelihood[-1][at],
         *([""] * 2 if published is None else (column[at[0]] for column in published))]
        for name, (published, ours, _) in sets.items()
        for at in np.ndindex(ours.rmse.shape)
    ]  # fmt: skip
    return Table("", header.split(), rows).csv()


def arms_csv(sets: Sets) -> bytes:
    """A row for each set, arm, split and seed."""
    rows = [
        [name, arm, *at, result.rmse[at], result.log_likelihood[-1][at]]
        for name, (_, _, arms) in sets.items()
        for arm, result in arms.items()
        for at in np.ndindex(result.rmse.shape)
    ]
    return Table("", ["set", "arm", "split", "seed", "rmse", "log_likelihood"], rows).csv()
