"""The tables of a comparison: all arms on the screen and the page, all numbers for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from experiments.report.intervals import Interval, interval
from experiments.report.table import Cell, Table
from experiments.studies.compare.design import Point
from experiments.studies.results import Result
from experiments.training.task import Metrics

HEADER = ("placement", "rate", "test acc. %", "gap", "test NLL", "vs. none")
NUMBERS = ("placement", "rate", "seed", *Metrics._fields)


class Summary(NamedTuple):
    """What came out for one arm; accuracies, gap and difference in percentage points."""

    point: Point
    accuracy: Interval
    gap: Interval
    nll: Interval
    difference: Interval


def summarise(points: Sequence[Point], result: Result) -> list[Summary]:
    """A summary of each arm, best test accuracy first; the first arm is the reference.

    The arms of a seed share training images, weights, batches and masks, and all the test images,
    so differences are taken seed by seed and image by image: what these have in common drops out,
    and the interval gets narrower. The gap has an interval for new seeds alone.
    """
    final, images = result.final, result.images
    (test, hits), (nll, losses) = (
        (final[name], images[name].T) for name in ("test accuracy", "test NLL")
    )
    gap = final["train accuracy"] - test
    measures = ((test, hits), (gap, None), (nll, losses), (test - test[:, :1], hits - hits[:, :1]))

    def of_arm(arm: int) -> Iterator[Interval]:
        for seeds, images in measures:
            yield interval(seeds[:, arm], images=None if images is None else images[:, arm])

    summaries = [Summary(point, *of_arm(arm)) for arm, point in enumerate(points)]
    return sorted(summaries, key=lambda summary: -summary.accuracy.mean)


def every(summaries: Sequence[Summary], note: str) -> Table:
    """All arms, best first; from one seed none is the best."""
    top, settled = summaries[0].accuracy.mean, not np.isnan(summaries[0].accuracy.half)
    best = [n for n, summary in enumerate(summaries) if settled and summary.accuracy.mean == top]
    return Table("All arms, best first", HEADER, list(map(_row, summaries)), note, best)


def _row(summary: Summary) -> tuple[Cell | str, ...]:
    (placement, rate), accuracy, gap, nll, difference = summary
    none = placement == "none"
    return (
        placement,
        Cell("–" if none else f"{rate:g}", rate),
        Cell(accuracy.text(), float(accuracy.mean)),
        Cell(f"{gap.mean:.2f}", float(gap.mean)),
        Cell(nll.text(".3f"), float(nll.mean)),
        Cell("–" if none else difference.text(sign="+"), float(difference.mean)),
    )


def starred(table: Table, title: str) -> Table:
    """The same with a star before the best."""
    stars = ("★" if number in table.best else " " for number in range(len(table.rows)))
    rows = [(f"{star} {row[0]}", *row[1:]) for star, row in zip(stars, table.rows, strict=True)]
    return replace(table, title=title, header=("  placement", *HEADER[1:]), rows=rows)


def per_seed(points: Sequence[Point], result: Result) -> Table:
    """A row for each arm and seed, with all digits that float32 has."""
    return Table("", NUMBERS, list(_rows(points, result.metrics[-1])))


def per_epoch(points: Sequence[Point], result: Result) -> Table:
    """The same at the end of each block."""
    blocks = zip(result.epochs, result.metrics, strict=True)
    rows = [(epoch, *row) for epoch, metrics in blocks for row in _rows(points, metrics)]
    return Table("", ("epoch", *NUMBERS), rows)


def _rows(points: Sequence[Point], metrics: Metrics) -> Iterator[tuple[object, ...]]:
    for arm, point in enumerate(points):
        for seed, row in enumerate(np.stack(metrics, -1)[:, arm]):
            yield *point, seed, *row
