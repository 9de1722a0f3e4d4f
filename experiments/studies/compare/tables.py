"""All arms in tables, for the screen, the page and programs; and what they are compared by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from experiments.data.images import Dataset
from experiments.report.intervals import Interval, interval
from experiments.report.table import Cell, Table
from experiments.studies.compare.design import Point
from experiments.studies.design import Measured, Term
from experiments.studies.results import Result
from experiments.training.task import Metrics

NAMES = ("placement", "rate", "seed")


class Measure(NamedTuple):
    """What arms are compared by: its names among all that was measured, and how it is written."""

    name: str
    other: str
    """What is measured besides."""
    header: tuple[str, str, str]
    """Of its columns in the table: itself, its gap between training and test, the other."""
    columns: tuple[str, ...]
    """Of the metrics in files."""
    sign: int
    """1 where more is better, -1 where less is."""
    unit: str
    """Of a value."""
    points: str
    """Of a difference."""
    digits: str
    gap_digits: str
    other_digits: str
    explained: str

    def written(self, value: Any) -> str:
        """With its unit."""
        return f"{value:{self.digits}}{' %' * ('%' in self.unit)}"

    def worth(self, value: Any) -> float:
        """The greater the better; what diverged is worst."""
        return float(np.nan_to_num(self.sign * value, nan=-np.inf))

    def gap(self, measured: Measured) -> np.ndarray:
        """By how much it is better on what was trained on, seeds by arms."""
        train, test = (np.asarray(measured[f"{part} {self.name}"]) for part in ("train", "test"))
        return self.sign * (train - test)


ACCURACY = Measure(
    "accuracy", "NLL", ("test acc. %", "gap", "test NLL"), Metrics._fields,
    1, " (%)", "percentage points", ".2f", ".2f", ".3f",
    "Accuracies are in %, gap (train minus test) and difference in percentage points, NLL "
    "(negative log-likelihood) in nats an image.",
)  # fmt: skip
ERROR = Measure(
    "MSE", "MAE", ("test MSE", "gap", "test MAE"),
    ("train_mae", "train_mse", "test_mae", "test_mse"),
    -1, "", "mean squared error", ".4g", ".3g", ".4g",
    "MSE is the mean squared error, MAE the mean absolute one, of all outputs; gap is test minus "
    "train.",
)  # fmt: skip


def measure_of(data: Dataset) -> Measure:
    """By what networks are compared on it."""
    return ACCURACY if data.has_classes else ERROR


class Summary(NamedTuple):
    """What came out for one arm; of accuracies, gap and difference are in percentage points."""

    point: Point
    score: Interval
    gap: Interval
    other: Interval
    difference: Interval


Rows = Mapping[str, Sequence[Summary]]
"""Of each placement a summary for each rate; placements that came out equal are one."""


def placed(points: Sequence[Point], result: Result) -> dict[str, list[int]]:
    """The arms of each placement; those that came out equal are one, of both names."""
    arms: dict[str, list[int]] = {}
    for arm, point in enumerate(points[1:], 1):
        arms.setdefault(point.placement, []).append(arm)
    return result.distinct(arms)


def flat(rows: Rows) -> list[Summary]:
    """Those of all placements."""
    return [one for row in rows.values() for one in row]


def equals(one: Summary, rows: Rows) -> str:
    """An arm's name, and those of all that are as good."""
    return " and ".join(
        f"{name} at rate {other.point.rate:g}"
        for name, row in rows.items()
        for other in row
        if other is one or other.score.mean == one.score.mean
    )


def summarise(points: Sequence[Point], result: Result, by: Measure = ACCURACY) -> list[Summary]:
    """A summary of each arm, the best on the test first; the first arm is the reference.

    The arms of a seed share training images, weights, batches and masks, and all the test images,
    so differences are taken seed by seed and image by image: what these have in common drops out,
    and the interval gets narrower. The gap has an interval for new seeds alone.
    """
    name, other, gap = f"test {by.name}", f"test {by.other}", by.gap(result.final)
    summaries = [
        Summary(
            point,
            result.interval(name, arm),
            interval(gap[:, arm]),
            result.interval(other, arm),
            result.interval(name, arm, to_first=True),
        )
        for arm, point in enumerate(points)
    ]
    return sorted(summaries, key=lambda summary: -by.worth(summary.score.mean))


def every(summaries: Sequence[Summary], note: str, by: Measure = ACCURACY) -> Table:
    """All arms, best first; from one seed none is the best."""
    top, settled = summaries[0].score.mean, not np.isnan(summaries[0].score.half)
    best = [n for n, summary in enumerate(summaries) if settled and summary.score.mean == top]
    header, rows = ("placement", "rate", *by.header, "vs. none"), [_row(it, by) for it in summaries]
    return Table("All arms, best first", header, rows, note, best)


def _row(summary: Summary, by: Measure) -> tuple[Cell | str, ...]:
    (placement, rate), score, gap, other, difference = summary
    none, (within, beside) = placement == "none", (Term("", "", it).possible for it in by[:2])
    return (
        placement,
        Cell("–" if none else f"{rate:g}", rate),
        Cell(score.text(by.digits, within=within), float(score.mean)),
        Cell(f"{gap.mean:{by.gap_digits}}", float(gap.mean)),
        Cell(other.text(by.other_digits, within=beside), float(other.mean)),
        Cell("–" if none else difference.text(by.gap_digits, "+"), float(difference.mean)),
    )


def starred(table: Table, title: str) -> Table:
    """The same with a star before the best."""
    stars = ("★" if number in table.best else " " for number in range(len(table.rows)))
    rows = [(f"{star} {row[0]}", *row[1:]) for star, row in zip(stars, table.rows, strict=True)]
    return replace(table, title=title, header=("  placement", *table.header[1:]), rows=rows)


def per_seed(points: Sequence[Point], result: Result, by: Measure = ACCURACY) -> Table:
    """A row for each arm and seed, with all digits that float32 has."""
    return Table("", (*NAMES, *by.columns), list(_rows(points, result.metrics[-1])))


def per_epoch(points: Sequence[Point], result: Result, by: Measure = ACCURACY) -> Table:
    """The same at the end of each block."""
    blocks = zip(result.epochs, result.metrics, strict=True)
    rows = [(epoch, *row) for epoch, metrics in blocks for row in _rows(points, metrics)]
    return Table("", ("epoch", *NAMES, *by.columns), rows)


def _rows(points: Sequence[Point], metrics: Metrics) -> Iterator[tuple[object, ...]]:
    for arm, point in enumerate(points):
        for seed, row in enumerate(np.stack(metrics, -1)[:, arm]):
            yield *point, seed, *row
