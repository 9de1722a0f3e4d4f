"""What came out, in words and as tables for the screen, the page and programs.

In words the number comes first that tells how large the finding is, then every part.
"""

from collections.abc import Iterator, Sequence

from experiments.report.table import Cell, Table
from experiments.report.verdict import Verdict
from experiments.studies.claim import REFUTING, Finding, by_data_set, verdict
from experiments.studies.design import Design, Term
from experiments.studies.results import Result, Results

MEASURES = ("test accuracy", "train accuracy", "test NLL", "train NLL")


def scope(findings: Sequence[Finding]) -> str:
    """Of what the intervals speak."""
    alone = dict.fromkeys(
        next(iter(one.contrast.weights)).measure for one in findings if not one.spread.images
    )
    if findings[0].spread.seeds < 2:
        return "From one seed no interval can be given."
    if all(not one.spread.images for one in findings):
        return "Paired by seed, for new seeds alone."
    of = f" ({', '.join(alone)}: for new seeds alone)" if alone else ""
    return f"Paired by seed and by test image, for new ones of both{of}."


def telling(findings: Sequence[Finding]) -> Finding:
    """The part that tells most; of a refuted claim one that refutes it."""
    refuted = verdict(findings) is Verdict.REFUTED
    parts = [one for one in findings if one.verdict in REFUTING or not refuted]
    return max(parts, key=lambda part: part.weight)


def in_one(found: Verdict, findings: Sequence[Finding]) -> str:
    """That part's number, and its own verdict where this is another word."""
    part = telling(findings)
    word = f" ({part.verdict.value})" if part.verdict is not found else ""
    return f"{part.in_full}{word}"


def headline(found: Verdict, findings: Sequence[Finding]) -> str:
    """The verdict, of how many parts or which data set it is, and the number that tells most."""
    return f"{found.value.capitalize()}{_share(found, findings)}: {in_one(found, findings)}"


def _share(found: Verdict, findings: Sequence[Finding]) -> str:
    if found is Verdict.MIXED:
        of_sets = (f"{name} {word.value}" for name, word in by_data_set(findings).items())
        return f" ({', '.join(of_sets)})"
    count, parts = sum(one.verdict is found for one in findings), len(findings)
    return f", {count} of {parts} parts" if 0 < count < parts else ""


def in_words(findings: Sequence[Finding]) -> str:
    """Each part of the claim with its interval."""
    return "; ".join(f"{one.contrast.words} {one.in_unit} ({one.said})" for one in findings)


def parts(findings: Sequence[Finding]) -> Table:
    """A row for each contrast."""
    header = ("part of the claim", "difference", "expected", "margin", "verdict")
    points = any(finding.unit == "points" for finding in findings)
    note = (
        f"{scope(findings)} ± is half of an interval at "
        f"{100 * findings[0].level:.2f} %, so that all hold together at 95 %. "
        f"{'Points are percentage points. ' * points}"
        "A difference within the margin is none that matters."
    )
    rows = [
        (
            finding.contrast.words,
            Cell(finding.in_unit, float(finding.interval.mean)),
            finding.bounds,
            "–" if finding.contrast.claims_same else f"{finding.margin:g}",
            finding.said,
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
    spread = result.interval(term.measure, arm)
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
    header = "part mean half low high margin seeds images verdict needs"
    return Table("", header.split(), [_row(finding) for finding in findings])


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
