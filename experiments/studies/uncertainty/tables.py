"""The study in tables: on the screen, on its page, as rows of `results.csv`."""

from collections.abc import Sequence

from experiments.report.intervals import ANY, Interval, Range, interval
from experiments.report.table import Cell, Table
from experiments.studies.claim import Finding
from experiments.studies.uncertainty.claim import HIGHER, TOGETHER, better, shown, word
from experiments.studies.uncertainty.measure import TITLES, ByArm, possible

NOTE = (
    "Means over seeds ± half of their 95 % interval (Student's t); differences are paired by seed, "
    "MC dropout less the other. ↑ marks measures where more is better. The ensemble is compared at "
    "as many passes as it has members."
)


def measures(table: ByArm, samples: int, members: int) -> Table:
    """All of them: each arm, and how MC dropout compares."""
    arms = {
        "deterministic": ("deterministic", 1),
        f"MC, {members} passes": ("MC dropout", members),
        f"MC, {samples} passes": ("MC dropout", samples),
        f"ensemble of {members}": ("ensemble", members),
    }
    gains = (
        better(table, samples, ("deterministic", 1)),
        better(table, members, ("ensemble", members)),
    )
    rows = [
        (TITLES[name] + " ↑" * (name in HIGHER),
         *(_cell(interval(table[row][name]), within=possible(name)) for row in arms.values()),
         *map(_gain, pair))
        for name, *pair in zip(TITLES, *gains, strict=True)
    ]  # fmt: skip
    header = ("measure", *arms, "MC less deterministic", "MC less ensemble")
    return Table("Measures", header, rows, NOTE)


def parts(findings: Sequence[Finding]) -> Table:
    """What the verdict rests on."""
    header = ("measure", "MC dropout less deterministic", "MC dropout is")
    rows = [(one.contrast.words, _cell(one.interval, "+"), word(one)) for one in findings]
    note = f"Paired intervals at {TOGETHER:.2%} each, which is 95 % for all of them together."
    return Table("The claim", header, rows, note)


def per_seed(table: ByArm) -> Table:
    """A row for each arm, number of passes and seed."""
    rows = [
        (arm, count, seed, *values)
        for (arm, count), of_arm in table.items()
        for seed, values in enumerate(zip(*of_arm.values(), strict=True))
    ]
    return Table("", ("arm", "passes", "seed", *TITLES), rows)


def _gain(finding: Finding) -> Cell:
    text, value, _ = _cell(finding.interval, "+")
    return Cell(f"{text} {word(finding)}", value)


def _cell(spread: Interval, sign: str = "", within: Range = ANY) -> Cell:
    return Cell(shown(spread, sign, within), float(spread.mean))
