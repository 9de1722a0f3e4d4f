"""The comparison in tables: on the screen, on its page, as files."""

from collections.abc import Sequence

import numpy as np

from experiments.report.table import Cell, Table
from experiments.studies.uci.published import Comparison, Mean, Sets, mean

WORDS = {True: "agree", False: "disagree", None: "not published"}


def comparisons(compared: Sequence[Comparison]) -> Table:
    """A row for each measure of each set."""
    header = ("set", "figure", "ours", "published", "difference", "tolerance", "verdict")
    rows = [
        (one.name, one.measure, *map(_mean, one[2:5]), _tolerance(one), WORDS[one.agrees])
        for one in compared
    ]
    return Table("Ours and published", header, rows)


def arms(sets: Sets) -> Table:
    """What was run beside the published hyperparameters, and how far it is from them."""
    header = ("set", "arm", "RMSE", "less primary", "log-likelihood", "less primary")
    rows = []
    for name, (_, primary, beside) in sets.items():
        for arm, result in beside.items():
            pairs = zip(result.of_splits, primary.of_splits, strict=True)
            means = [mean(values) for its, first in pairs for values in (its, its - first)]
            rows.append((name, arm, *map(_mean, means)))
    return Table("Beside it, without a part in the verdict", header, rows)


def _mean(mean: Mean | None) -> Cell:
    return Cell("–") if mean is None else Cell(str(mean), mean.mean)


def _tolerance(one: Comparison) -> Cell:
    return Cell("–") if one.tolerance is None else Cell(f"{one.tolerance:.3f}", one.tolerance)


def per_seed(sets: Sets) -> Table:
    """A row for each set, split and seed."""
    header = "set split seed rmse log_likelihood published_rmse published_log_likelihood"
    rows = [
        (name, split, seed, ours.rmse[split, seed], ours.log_likelihood[-1, split, seed],
         *((column[split] for column in published) if published else ("", "")))
        for name, (published, ours, _) in sets.items()
        for split, seed in np.ndindex(ours.rmse.shape)
    ]  # fmt: skip
    return Table("", header.split(), rows)


def arms_per_seed(sets: Sets) -> Table:
    """A row for each set, arm, split and seed."""
    rows = [
        (name, arm, *at, result.rmse[at], result.log_likelihood[-1][at])
        for name, (_, _, beside) in sets.items()
        for arm, result in beside.items()
        for at in np.ndindex(result.rmse.shape)
    ]
    return Table("", ("set", "arm", "split", "seed", "rmse", "log_likelihood"), rows)
