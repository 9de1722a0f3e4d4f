"""The comparison in tables: on the screen, on its page, as rows of `results.csv`."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from rich import box
from rich.table import Table as Screen

from experiments.report.files import as_csv
from experiments.report.table import Cell, Table
from experiments.studies.uci.compare import Row, mean, of_splits
from experiments.studies.uci.data import Published
from experiments.studies.uci.score import Result

Results = Mapping[str, Result]
WIDTH = 120  # columns that the table takes
HEADER = ("set", "figure", "ours", "published", "difference", "tolerance", "")
ARMS_HEADER = ("set", "arm", "RMSE", "less primary", "log-likelihood", "less primary")
BESIDE = "Beside it, without a part in the verdict"


def table(compared: Sequence[Row]) -> Screen:
    """A line for each figure."""
    return _screen("Gal & Ghahramani 2016, repeated", HEADER, map(_texts, compared))


def page_grid(compared: Sequence[Row]) -> Table:
    """The same on a page."""
    cells = [
        [Cell(text, value) for text, value in zip(_texts(row), _values(row), strict=True)]
        for row in compared
    ]
    return Table("Ours and published", HEADER, cells)


def _texts(row: Row) -> list[str]:
    if row.agrees is None:
        return [row.name, row.figure, str(row.ours), "–", "–", "–", "not published"]
    cells = map(str, (row.ours, row.published, row.difference))
    word = "agree" if row.agrees else "disagree"
    return [row.name, row.figure, *cells, f"{row.tolerance:.3f}", word]


def _values(row: Row) -> list[float | None]:
    """What its texts are sorted by."""
    means = [one and one.mean for one in (row.ours, row.published, row.difference)]
    return [None, None, *means, row.tolerance, None]


def _screen(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Screen:
    grid = Screen(box=box.SIMPLE_HEAD, title=title)
    for column in header:
        grid.add_column(column, no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    return grid


def arms_table(results: Results, beside: Mapping[str, Results]) -> Screen:
    """What was run beside the primary arm, and how far it is from it."""
    rows = [[text for text, _ in row] for row in _arms_rows(results, beside)]
    return _screen(BESIDE, ARMS_HEADER, rows)


def arms_grids(results: Results, beside: Mapping[str, Results]) -> list[Table]:
    """The same on a page; none without arms."""
    rows = [[Cell(*cell) for cell in row] for row in _arms_rows(results, beside)]
    return [Table(BESIDE, ARMS_HEADER, rows)] if rows else []


def _arms_rows(
    results: Results, beside: Mapping[str, Results]
) -> list[list[tuple[str, float | None]]]:
    """Texts, and what they are sorted by."""
    found = []
    for name, arms in beside.items():
        for arm, result in arms.items():
            pairs = zip(of_splits(result), of_splits(results[name]), strict=True)
            means = [mean(part) for ours, first in pairs for part in (ours, ours - first)]
            found.append([(name, None), (arm, None), *((str(one), one.mean) for one in means)])
    return found


def results_csv(results: Results, published: Mapping[str, Published | None]) -> bytes:
    """A row for each set, split and seed."""

    def row(name: str, result: Result, split: int, seed: int) -> list[object]:
        theirs = published[name]
        known = ("", "") if theirs is None else (column[split] for column in theirs)
        ours = result.rmse[split, seed], result.log_likelihood[-1, split, seed]
        return [name, split, seed, *ours, *known]

    columns = "set split seed rmse log_likelihood published_rmse published_log_likelihood"
    rows = (row(name, r, *at) for name, r in results.items() for at in np.ndindex(r.rmse.shape))
    return as_csv(columns.split(), rows)


def arms_csv(beside: Mapping[str, Results]) -> bytes:
    """A row for each set, arm, split and seed."""
    rows = (
        [name, arm, *at, result.rmse[at], result.log_likelihood[-1][at]]
        for name, arms in beside.items()
        for arm, result in arms.items()
        for at in np.ndindex(result.rmse.shape)
    )
    return as_csv(["set", "arm", "split", "seed", "rmse", "log_likelihood"], rows)
