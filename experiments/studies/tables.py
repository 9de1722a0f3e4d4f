"""What came out, as tables for the screen, the page and programs."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from experiments.report.intervals import interval
from experiments.report.table import Cell, Table
from experiments.studies.claim import Finding
from experiments.studies.design import Design, Term
from experiments.studies.headline import scope
from experiments.studies.results import Result

MEASURES = ("test accuracy", "train accuracy", "test NLL", "train NLL")
Results = Mapping[str, Result]


def parts(findings: Sequence[Finding]) -> Table:
    """A row for each contrast."""
    header, each = (
        ("part of the claim", "difference", "expected", "margin", "verdict"),
        findings[0].level,
    )
    points = any(finding.unit == "points" for finding in findings)
    note = (
        f"{scope(findings)} ± is half of an interval at "
        f"{100 * each:.2f} %, so that all hold together at 95 %. "
        f"{'Points are percentage points. ' * points}"
        "A difference within the margin is none that matters."
    )
    rows = [
        (
            finding.contrast.words,
            Cell(finding.in_unit, float(finding.interval.mean)),
            finding.bounds,
            "–" if finding.contrast.claims_same else f"{finding.margin:g}",
            ": ".join(filter(None, (finding.verdict.value, finding.needs))),
        )
        for finding in findings
    ]
    return Table("What the claim says", header, rows, note)


def arms(design: Design, results: Results, measured: str = "") -> Table:
    """A row for each case and arm: means over seeds, and what else was measured."""
    measures = _measures(results)
    rows = [
        (case, arm, *(_mean(results[case], Term(case, arm, name), index) for name in measures))
        for case, index, arm in _arms(design)
    ]
    note = f"Means over seeds with 95 % intervals; accuracies in %, NLL in nats. {measured}"
    return Table("All arms", ["case", "arm", *measures], rows, note.rstrip())


def _mean(result: Result, term: Term, arm: int) -> Cell | str:
    if term.measure not in result.final:
        return "–"
    table = result.images.get(term.measure)
    own = None if table is None else table[:, arm]
    spread = interval(np.asarray(result.final[term.measure])[:, arm], table=own)
    return Cell(spread.text(within=term.possible), float(spread.mean))


def per_seed(design: Design, results: Results) -> Table:
    """A row for each case, arm and seed, with all digits; empty where a case lacks a measure."""
    measures = _measures(results)

    def number(case: str, measure: str, seed: int, arm: int) -> object:
        table = results[case].final.get(measure)
        return "" if table is None else table[seed, arm]

    rows = [
        (case, arm, seed, *(number(case, name, seed, index) for name in measures))
        for case, index, arm in _arms(design)
        for seed in range(len(results[case].final[MEASURES[0]]))
    ]
    return Table("", ["case", "arm", "seed", *measures], rows)


def per_epoch(design: Design, results: Results) -> Table:
    """The usual measures at the end of each block."""
    rows = [
        (case, arm, seed, epoch, *(table[name][seed, index] for name in MEASURES))
        for case, index, arm in _arms(design)
        for epoch, table in zip(results[case].epochs, results[case].history, strict=True)
        for seed in range(len(table[MEASURES[0]]))
    ]
    return Table("", ["case", "arm", "seed", "epoch", *MEASURES], rows)


def contrasts(findings: Sequence[Finding]) -> Table:
    """Each part of the claim, for programs."""
    header = ("part", "mean", "half", "low", "high", "margin", "seeds", "images", "verdict",
              "needs")  # fmt: skip
    return Table("", header, [_row(finding) for finding in findings])


def _row(finding: Finding) -> tuple[object, ...]:
    part, found = finding.contrast, finding.spread
    margin = "" if part.claims_same else finding.margin
    numbers = (*finding.interval, part.low, part.high, margin, found.seeds, found.images)
    return part.words, *numbers, finding.verdict.value, finding.needs


def _measures(results: Results) -> list[str]:
    """The usual ones, then what else there is."""
    there = (name for result in results.values() for name in result.final)
    return list(dict.fromkeys([*MEASURES, *there]))


def _arms(design: Design) -> Iterator[tuple[str, int, str]]:
    """Case, number and name of each."""
    for title, case in design.cases.items():
        for index, arm in enumerate(case.arms):
            yield title, index, arm
