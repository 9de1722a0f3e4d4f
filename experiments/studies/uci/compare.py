"""Ours against published, split by split: differences and agreement."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.report.verdict import Verdict
from experiments.studies.uci.data import Published
from experiments.studies.uci.score import Result

SE_ALLOWED = 3  # where no tolerance is given


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
            zip(("RMSE", "log-likelihood"), of_splits(result), strict=True)
        )
    ]


def _row(
    name: str, figure: str, ours: np.ndarray, published: np.ndarray | None, given: float | None
) -> Row:
    if published is None:
        return Row(name, figure, mean(ours), None, None, None)
    difference = mean(ours - published)
    tolerance = SE_ALLOWED * difference.error if given is None else given
    return Row(name, figure, mean(ours), mean(published), difference, tolerance)


def mean(values: np.ndarray) -> Mean:
    """Over splits."""
    n = len(values)
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan)


def verdict(compared: Sequence[Row]) -> Verdict:
    """Of all that can be compared."""
    if all(row.agrees is None for row in compared):
        return Verdict.UNPUBLISHED
    return Verdict.AGREE if agree(compared) else Verdict.DISAGREE


def agree(compared: Sequence[Row]) -> bool:
    """Whether all that can be compared agrees, and something can."""
    verdicts = [row.agrees for row in compared if row.agrees is not None]
    return bool(verdicts) and all(verdicts)


def of_splits(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Both figures of each split, seeds averaged."""
    return result.rmse.mean(1), result.log_likelihood[-1].mean(1)


def in_words(compared: Sequence[Row]) -> str:
    """Each figure, ours against published."""
    return "; ".join(
        f"{row.name} {row.figure} {row.ours.mean:.2f}"
        + (f" (published {row.published.mean:.2f})" if row.published else "")
        for row in compared
    )
