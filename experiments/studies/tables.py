"""What came out, as tables for the screen, the page and programs."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich import box
from rich.table import Table as Screen

from experiments.report.files import as_csv
from experiments.report.intervals import Interval, interval
from experiments.report.table import Cell, Table
from experiments.studies.claim import Finding, level, shown
from experiments.studies.design import Design
from experiments.studies.results import Result

HEADER = ("part of the claim", "difference", "expected", "verdict")
MEASURES = ("test accuracy", "train accuracy", "test NLL", "train NLL")


def claim_rows(found: Sequence[Finding]) -> list[list[Cell | str]]:
    """A row for each contrast."""
    return [
        [
            finding.contrast.words,
            Cell(shown(finding.interval), float(finding.interval.mean)),
            _bounds(finding),
            finding.verdict.value,
        ]
        for finding in found
    ]


def _bounds(finding: Finding) -> str:
    low, high = finding.contrast.low, finding.contrast.high
    if np.isinf(high):
        return f"> {low:g}"
    return f"< {high:g}" if np.isinf(low) else f"{low:g} to {high:g}"


def arm_header(results: Mapping[str, Result]) -> list[str]:
    """The columns of the table of arms: the usual measures, then what else there is."""
    names = dict.fromkeys(name for result in results.values() for name in result.final)
    return ["case", "arm", *MEASURES, *(name for name in names if name not in MEASURES)]


def arm_rows(design: Design, results: Mapping[str, Result]) -> list[list[Cell | str]]:
    """A row for each case and arm: means over seeds with their 95 % intervals."""
    header = arm_header(results)
    return [
        [case, arm, *(_cell(results[case], name, index) for name in header[2:])]
        for case in design.cases
        for index, arm in enumerate(design.cases[case].arms)
    ]


def _cell(result: Result, measure: str, index: int) -> Cell | str:
    if measure not in result.final:
        return "–"
    found = interval(np.asarray(result.final[measure])[:, index])
    return Cell(_plain(found), float(found.mean))


def _plain(interval: Interval) -> str:
    half = "n/a" if np.isnan(interval.half) else f"{interval.half:.2f}"
    return f"{interval.mean:.2f} ± {half}"


def screen(title: str, header: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> Screen:
    """A table for the terminal."""
    grid = Screen(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title)
    for index, name in enumerate(header):
        grid.add_column(name, justify="right" if isinstance(rows[0][index], Cell) else "left")
    for row in rows:
        grid.add_row(*(cell.text if isinstance(cell, Cell) else cell for cell in row))
    return grid


def grids(design: Design, results: Mapping[str, Result], found: Sequence[Finding]) -> list[Table]:
    """The tables of the page."""
    note = (
        f"Paired by seed; ± is half of an interval at {100 * level(len(found)):.2f} %, so that all "
        "hold together at 95 %. Accuracies are in percentage points."
    )
    means = "Means over seeds with 95 % intervals; accuracies in %, NLL in nats."
    return [
        Table("What the claim says", HEADER, claim_rows(found), note),
        Table("All arms", arm_header(results), arm_rows(design, results), means),
    ]


def results_csv(design: Design, results: Mapping[str, Result]) -> bytes:
    """A row for each case, arm and seed, with all digits; empty where a case lacks a measure."""
    header = arm_header(results)
    rows = (
        [case, arm, seed, *(_number(results[case], name, seed, index) for name in header[2:])]
        for case in design.cases
        for index, arm in enumerate(design.cases[case].arms)
        for seed in range(len(results[case].final[MEASURES[0]]))
    )
    return as_csv(["case", "arm", "seed", *header[2:]], rows)


def _number(result: Result, measure: str, seed: int, arm: int) -> str:
    table = result.final.get(measure)
    return "" if table is None else str(table[seed, arm])


def history_csv(design: Design, results: Mapping[str, Result]) -> bytes:
    """The usual measures at the end of each block."""
    rows = (
        [case, arm, seed, epoch, *(str(table[name][seed, index]) for name in MEASURES)]
        for case in design.cases
        for index, arm in enumerate(design.cases[case].arms)
        for epoch, table in zip(results[case].epochs, results[case].history, strict=True)
        for seed in range(len(table[MEASURES[0]]))
    )
    return as_csv(["case", "arm", "seed", "epoch", *MEASURES], rows)


def contrasts_csv(found: Sequence[Finding]) -> bytes:
    """Each part of the claim."""
    rows = (
        [f.contrast.words, f.interval.mean, f.interval.half, *f.contrast[2:], f.verdict.value]
        for f in found
    )
    return as_csv(["part", "mean", "half", "low", "high", "verdict"], rows)
