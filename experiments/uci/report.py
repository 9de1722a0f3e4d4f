"""Ours against published, split by split: agreement, tables, rows of `results.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich import box
from rich.table import Table

from experiments.uci.data import Published
from experiments.uci.score import Result

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
    return [
        _row(name, figure, ours, published and published[i], None if given is None else given[i])
        for i, (figure, ours) in enumerate(
            zip(("RMSE", "log-likelihood"), _figures(result), strict=True)
        )
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


def arms_table(results: Mapping[str, Result], beside: Mapping[str, Mapping[str, Result]]) -> Table:
    """What was run beside the primary arm, and how far it is from it."""
    grid = Table(box=box.SIMPLE_HEAD, title="Beside it, without a part in the verdict")
    for column in ("set", "arm", "RMSE", "less primary", "log-likelihood", "less primary"):
        grid.add_column(column, no_wrap=True)
    for name, arms in beside.items():
        primary = _figures(results[name])
        for arm, result in arms.items():
            pairs = zip(_figures(result), primary, strict=True)
            cells = [str(_mean(part)) for ours, first in pairs for part in (ours, ours - first)]
            grid.add_row(name, arm, *cells)
    return grid


def _figures(result: Result) -> tuple[np.ndarray, np.ndarray]:
    return result.rmse.mean(1), result.log_likelihood[-1].mean(1)


def arms_csv(beside: Mapping[str, Mapping[str, Result]]) -> bytes:
    """A row for each set, arm, split and seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["set", "arm", "split", "seed", "rmse", "log_likelihood"])
    for name, arms in beside.items():
        for arm, result in arms.items():
            for at in np.ndindex(result.rmse.shape):
                values = result.rmse[at], result.log_likelihood[-1][at]
                writer.writerow([name, arm, *at, *values])
    return text.getvalue().encode()
