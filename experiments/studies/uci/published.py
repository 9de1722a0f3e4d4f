"""Ours against published, split by split: differences and agreement."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from experiments.errors import expect
from experiments.report.intervals import Interval
from experiments.report.verdict import Verdict
from experiments.studies.uci.config import Tolerance
from experiments.studies.uci.data import numbers
from experiments.studies.uci.network import Result
from experiments.studies.uci.train import Problem

MEASURES = ("RMSE", "log-likelihood")
SE_ALLOWED = 3  # where no tolerance is given


class Published(NamedTuple):
    """One number for each split."""

    rmse: Float64[np.ndarray, " splits"]
    log_likelihood: Float64[np.ndarray, " splits"]


class Results(NamedTuple):
    """Of a set: what is published, what came out, and what the arms beside it gave."""

    published: Published | None
    ours: Result
    beside: Mapping[str, Result]


Sets = Mapping[str, Results]


class Mean(NamedTuple):
    """A mean over splits, and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        """As in the table."""
        return f"{self.mean:.3f} ± {self.error:.3f}"


class Comparison(NamedTuple):
    """One measure of one set; without published ones there is nothing to compare."""

    name: str
    measure: str
    ours: Mean
    published: Mean | None = None
    difference: Mean | None = None
    tolerance: float | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the mean paired difference is within its tolerance; never if it is NaN."""
        if self.difference is None or self.tolerance is None:
            return None
        return abs(self.difference.mean) <= self.tolerance

    @property
    def words(self) -> str:
        """Ours against published."""
        theirs = f" (published {self.published.mean:.2f})" if self.published else ""
        return f"{self.name} {self.measure} {self.ours.mean:.2f}{theirs}"

    @property
    def off(self) -> Interval:
        """How far ours is from the published mean, and its error, in tolerances."""
        mean, error = np.array(self.difference or (np.nan, np.nan)) / (self.tolerance or np.nan)
        return Interval(mean, error)


def load(problem: Problem) -> Published | None:
    """The published result of each split, if the set's folder has it."""
    folder, prefix = problem.folder / "published", problem.protocol.published
    files = [folder / f"{prefix}.test_{name}.txt" for name in ("MC_rmse", "ll")]
    if not all(file.exists() for file in files):
        return None
    columns, splits = [numbers(file, 1) for file in files], len(problem.splits.mean)
    for file, column in zip(files, columns, strict=True):
        expect(len(column) == splits, f"{splits} numbers in {file}, one a split", len(column))
    return Published(*columns)


def compare(sets: Sets, tolerances: Mapping[str, Tolerance]) -> list[Comparison]:
    """Both measures of each set; the seeds of a split are averaged before anything else."""
    compared, nothing = [], (None, None)
    for name, (published, ours, _) in sets.items():
        known = published or nothing, tolerances.get(name, nothing)
        for measure, own, theirs, given in zip(MEASURES, ours.of_splits, *known, strict=True):
            one = Comparison(name, measure, mean(own))
            if theirs is not None:
                difference = mean(own - theirs)
                tolerance = SE_ALLOWED * difference.error if given is None else given
                one = Comparison(*one[:3], mean(theirs), difference, tolerance)
            compared.append(one)
    return compared


def mean(values: np.ndarray) -> Mean:
    """Over splits."""
    n = len(values)
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan)


def verdict(compared: Sequence[Comparison]) -> Verdict:
    """Whether all agrees that can be compared, if anything can."""
    agreements = {one.agrees for one in compared} - {None}
    if not agreements:
        return Verdict.UNPUBLISHED
    return Verdict.AGREE if all(agreements) else Verdict.DISAGREE


def in_words(compared: Sequence[Comparison]) -> str:
    """Each measure, ours against published."""
    return "; ".join(one.words for one in compared)


def headline(compared: Sequence[Comparison]) -> str:
    """The verdict, how many agree, and which is furthest off."""
    return f"{verdict(compared).value.capitalize()}: {in_one(compared) or in_words(compared)}"


def in_one(compared: Sequence[Comparison]) -> str:
    """How many agree, and which is furthest off, by how much; nothing where none is published."""
    known = [one for one in compared if one.published]
    if not known:
        return ""
    agree, worst = sum(one.agrees is True for one in known), max(known, key=_distance)
    off = f", by {abs(worst.off.mean):.2g} tolerances" if np.isfinite(worst.off.mean) else ""
    return f"{agree} of {len(known)} figures agree; furthest off is {worst.words}{off}"


def _distance(one: Comparison) -> float:
    """In tolerances; a number that there is not is furthest off."""
    return float(np.nan_to_num(abs(one.off.mean), nan=0.0 if one.agrees else np.inf))
