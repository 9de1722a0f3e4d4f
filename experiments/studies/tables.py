"""What came out, in words and as tables for the screen, the page and programs.

In words the number comes first that tells how large the finding is, then every part.
"""

from collections.abc import Iterator, Sequence

from experiments.report.table import Cell, Table
from experiments.report.verdict import Verdict
from experiments.studies.claim import REFUTING, Finding, by_data_set, verdict
from experiments.studies.design import Design, Term
from experiments.studies.results import Results

MEASURES = ("test accuracy", "train accuracy", "test NLL", "train NLL")


def scope(findings: Sequence[Finding]) -> str:
    """Of what the intervals speak."""
    by_seed = [one for one in findings if not one.spread.images]
    if findings[0].spread.seeds < 2:
        return "From one seed no interval can be given."
    if len(by_seed) == len(findings):
        return "Paired by seed, for new seeds alone."
    alone = ", ".join(dict.fromkeys(next(iter(one.contrast.weights)).measure for one in by_seed))
    of = f" ({alone}: for new seeds alone)" if alone else ""
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
    return f"{part.contrast.words}: {part.in_unit}{word}"


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
    points = any(finding.unit == "points" for finding in findings)
    note = (
        f"{scope(findings)} ± is half of an interval at {100 * findings[0].level:.2f} %, so that "
        f"all hold together at 95 %. {'Points are percentage points. ' * points}A difference "
        "within the margin is none that matters."
    )
    rows = [
        (one.contrast.words, Cell(one.in_unit, float(one.interval.mean)), one.bounds,
         "–" if one.contrast.claims_same else f"{one.margin:g}", one.said)
        for one in findings
    ]  # fmt: skip
    header = ("part of the claim", "difference", "expected", "margin", "verdict")
    return Table("What the claim says", header, rows, note)


def arms(design: Design, results: Results, measured: str = "") -> Table:
    """A row for each case and arm: means over seeds, and what else was measured."""
    measures = _measures(results)

    def mean(case: str, index: int, measure: str) -> Cell | str:
        if measure not in results[case].final:
            return "–"
        spread = results[case].interval(measure, index)
        return Cell(spread.text(within=Term("", "", measure).possible), float(spread.mean))

    rows = [
        (case, arm, *(mean(case, index, name) for name in measures))
        for case, index, arm in _arms(design)
    ]
    note = f"Means over seeds with 95 % intervals; accuracies in %, NLL in nats. {measured}"
    return Table("All arms", ["case", "arm", *measures], rows, note.rstrip())


def per_seed(design: Design, results: Results) -> Table:
    """A row for each case, arm and seed, with all digits; empty where a case lacks a measure."""
    rows, measures = [], _measures(results)
    for case, index, arm in _arms(design):
        tables = [results[case].final.get(name) for name in measures]
        for seed in range(len(results[case].final[MEASURES[0]])):
            numbers = ("" if table is None else table[seed, index] for table in tables)
            rows.append((case, arm, seed, *numbers))
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
    rows = [
        (one.contrast.words, *one.interval, one.contrast.low, one.contrast.high,
         "" if one.contrast.claims_same else one.margin, one.spread.seeds, one.spread.images,
         one.verdict.value, one.needs)
        for one in findings
    ]  # fmt: skip
    return Table("", header.split(), rows)


def _measures(results: Results) -> list[str]:
    """The usual ones, then what else there is."""
    there = (name for result in results.values() for name in result.final)
    return list(dict.fromkeys([*MEASURES, *there]))


def _arms(design: Design) -> Iterator[tuple[str, int, str]]:
    """Case, number and name of each."""
    for title, case in design.cases.items():
        for index, arm in enumerate(case.arms):
            yield title, index, arm
