"""Ours against published, split by split: agreement, table, figures, rows of `results.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from experiments.plots import as_png
from experiments.uci.data import Published
from experiments.uci.train import Result

SE_ALLOWED = 3  # where no tolerance is given
WIDTH = 120  # columns that the table takes


class Mean(NamedTuple):
    """A mean over splits, and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        """As in the table."""
        return f"{self.mean:.3f} ± {self.error:.3f}"


class Row(NamedTuple):
    """One figure of one set; without published ones there is nothing to compare."""

    name: str
    figure: str
    ours: Mean
    published: Mean | None
    difference: Mean | None
    tolerance: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether the mean paired difference is within its tolerance; never if it is NaN."""
        if self.difference is None or self.tolerance is None:
            return None
        return abs(self.difference.mean) <= self.tolerance


def rows(
    name: str, result: Result, published: Published | None, given: Sequence[float] | None
) -> list[Row]:
    """The two figures of a set; the seeds of a split are averaged before anything else."""
    found = (result.rmse.mean(1), result.log_likelihood[-1].mean(1))
    return [
        _row(name, figure, ours, published and published[i], None if given is None else given[i])
        for i, (figure, ours) in enumerate(zip(("RMSE", "log-likelihood"), found, strict=True))
    ]


def _row(
    name: str, figure: str, ours: np.ndarray, published: np.ndarray | None, given: float | None
) -> Row:
    if published is None:
        return Row(name, figure, _mean(ours), None, None, None)
    difference = _mean(ours - published)
    tolerance = SE_ALLOWED * difference.error if given is None else given
    return Row(name, figure, _mean(ours), _mean(published), difference, tolerance)


def _mean(values: np.ndarray) -> Mean:
    n = len(values)
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan)


def agree(compared: Sequence[Row]) -> bool:
    """Whether all that can be compared agrees, and something can."""
    verdicts = [row.agrees for row in compared if row.agrees is not None]
    return bool(verdicts) and all(verdicts)


def table(compared: Sequence[Row]) -> Table:
    """A line for each figure."""
    grid = Table(box=box.SIMPLE_HEAD, title="Gal & Ghahramani 2016, repeated")
    for column in ("set", "figure", "ours", "published", "difference", "tolerance", ""):
        grid.add_column(column, no_wrap=True)
    for row in compared:
        if row.agrees is None:
            grid.add_row(row.name, row.figure, str(row.ours), "–", "–", "–", "not published")
        else:
            cells = map(str, (row.ours, row.published, row.difference))
            word = "agree" if row.agrees else "disagree"
            grid.add_row(row.name, row.figure, *cells, f"{row.tolerance:.3f}", word)
    return grid


def results_csv(results: Mapping[str, Result], published: Mapping[str, Published | None]) -> bytes:
    """A row for each set, split and seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = "set split seed rmse log_likelihood published_rmse published_log_likelihood"
    writer.writerow(columns.split())
    for name, result in results.items():
        for split, seed in np.ndindex(result.rmse.shape):
            ours = result.rmse[split, seed], result.log_likelihood[-1, split, seed]
            theirs = published[name]
            known = ("", "") if theirs is None else (column[split] for column in theirs)
            writer.writerow([name, split, seed, *ours, *known])
    return text.getvalue().encode()


def against_published(
    results: Mapping[str, Result], published: Mapping[str, Published | None], caption: str
) -> bytes:
    """Each split as a point; on the line nothing differs."""
    figure = Figure(figsize=(3.2 * len(results) + 1, 7.5), layout="constrained")
    grid = figure.subplots(2, len(results), squeeze=False)
    for column, (name, result) in enumerate(results.items()):
        ours = result.rmse.mean(1), result.log_likelihood[-1].mean(1)
        for axes, mine, which in zip(grid[:, column], ours, (0, 1), strict=True):
            theirs = published[name]
            if theirs is not None:
                axes.plot(theirs[which], mine, "o", markersize=4)
                axes.axline((theirs[which].mean(),) * 2, slope=1, color="0.5", linewidth=1)
            axes.set(title=f"{name}: {('RMSE', 'log-likelihood')[which]}", xlabel="published")
    grid[0, 0].set_ylabel("ours")
    grid[1, 0].set_ylabel("ours")
    return as_png(figure, f"{caption} A point for each split, seeds averaged.")


def likelihood_by_samples(results: Mapping[str, Result], caption: str) -> bytes:
    """How many samples the log-likelihood needs."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        means = result.log_likelihood.mean((1, 2))
        axes.plot(result.samples, means - means[-1], "o-", markersize=3, label=name)
    axes.set(xlabel="samples", ylabel="test log-likelihood, less that of all samples")
    axes.legend()
    return as_png(figure, f"{caption} Means over splits and seeds.")
