"""The tables of a comparison: all arms on the screen and the page, all numbers for programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from experiments.report.intervals import Interval, interval
from experiments.report.table import Cell, Table
from experiments.studies.compare.design import Point
from experiments.studies.compare.measure import ACCURACY, Measure
from experiments.studies.design import Term
from experiments.studies.results import Result
from experiments.training.task import Metrics

NAMES = ("placement", "rate", "seed")


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
    final, images = result.final, result.images
    (test, score), (other, rest) = (
        (final[name], images[name]) for name in (f"test {by.name}", f"test {by.other}")
    )
    differences = test - test[:, :1], score - score[:, :1]
    measures = ((test, score), (by.gap(final), None), (other, rest), differences)

    def of_arm(arm: int) -> Iterator[Interval]:
        for seeds, table in measures:
            yield interval(seeds[:, arm], table=None if table is None else table[:, arm])

    summaries = [Summary(point, *of_arm(arm)) for arm, point in enumerate(points)]
    worst = lambda summary: np.nan_to_num(-by.sign * summary.score.mean, nan=np.inf)  # noqa: E731
    return sorted(summaries, key=worst)


def every(summaries: Sequence[Summary], note: str, by: Measure = ACCURACY) -> Table:
    """All arms, best first; from one seed none is the best."""
    top, settled = summaries[0].score.mean, not np.isnan(summaries[0].score.half)
    best = [n for n, summary in enumerate(summaries) if settled and summary.score.mean == top]
    rows = [_row(summary, by) for summary in summaries]
    return Table(
        "All arms, best first", ("placement", "rate", *by.header, "vs. none"), rows, note, best
    )


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
