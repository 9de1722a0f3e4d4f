"""The tables of a comparison: all arms on the screen and the page, all numbers for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from experiments.report.intervals import Interval, interval
from experiments.report.table import Cell, Table
from experiments.studies.compare.design import Point
from experiments.studies.design import Measured
from experiments.studies.results import Result
from experiments.training.task import Metrics

HEADER = ("placement", "rate", "test acc. %", "gap", "test NLL", "vs. none")
KEYS = ("placement", "rate", "seed")


class Summary(NamedTuple):
    """What came out for one arm; accuracies, gap and difference in percentage points."""

    point: Point
    accuracy: Interval
    gap: Interval
    nll: Interval
    difference: Interval


def summarise(points: Sequence[Point], final: Measured) -> list[Summary]:
    """A summary of each arm, best test accuracy first; the first arm is the reference.

    The arms of a seed share weights, batches and masks, so differences are taken seed by seed:
    what the seeds have in common drops out, and the interval gets narrower.
    """
    test, gap = final["test accuracy"], final["train accuracy"] - final["test accuracy"]
    measures = (test, gap, final["test NLL"], test - test[:, :1])
    spreads = ([interval(values[:, i]) for values in measures] for i in range(len(points)))
    summaries = [Summary(point, *spread) for point, spread in zip(points, spreads, strict=True)]
    return sorted(summaries, key=lambda summary: -summary.accuracy.mean)


def every(summaries: Sequence[Summary], note: str) -> Table:
    """All arms, best first."""
    return Table("All arms, best first", HEADER, [_row(summary) for summary in summaries], note)


def marked(table: Table, title: str, best: Sequence[int]) -> Table:
    """The same for the screen, the best arms with a star."""
    rows = [
        (f"{'★' if number in best else ' '} {placement}", *cells)
        for number, (placement, *cells) in enumerate(table.rows)
    ]
    header = (f"  {table.header[0]}", *table.header[1:])
    return replace(table, title=title, header=header, rows=rows, best=best)


def _row(summary: Summary) -> list[Cell | str]:
    (placement, rate), accuracy, gap, nll, difference = summary
    none = placement == "none"
    return [
        placement,
        Cell("–" if none else f"{rate:g}", rate),
        Cell(shown(accuracy), float(accuracy.mean)),
        Cell(f"{gap.mean:.2f}", float(gap.mean)),
        Cell(shown(nll, 3), float(nll.mean)),
        Cell("–" if none else shown(difference, sign="+"), float(difference.mean)),
    ]


def shown(interval: Interval, digits: int = 2, sign: str = "") -> str:
    """A mean, and half of its interval if there is one."""
    half = "n/a" if np.isnan(interval.half) else f"{interval.half:.{digits}f}"
    return f"{interval.mean:{sign}.{digits}f} ± {half}"


def per_seed(points: Sequence[Point], result: Result) -> Table:
    """A row for each arm and seed, with all digits that float32 has."""
    rows = list(_rows(points, result.metrics[-1]))
    return Table("", [*KEYS, *Metrics._fields], rows)


def per_epoch(points: Sequence[Point], result: Result) -> Table:
    """The same at the end of each block."""
    blocks = zip(result.epochs, result.metrics, strict=True)
    rows = [(epoch, *row) for epoch, metrics in blocks for row in _rows(points, metrics)]
    return Table("", ["epoch", *KEYS, *Metrics._fields], rows)


def _rows(points: Sequence[Point], metrics: Metrics) -> Iterator[tuple[object, ...]]:
    for index, point in enumerate(points):
        for seed, row in enumerate(np.stack(metrics, -1)[:, index]):
            yield *point, seed, *row
