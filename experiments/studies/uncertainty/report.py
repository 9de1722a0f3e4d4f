"""What the study says: paired differences and what follows from them, in words and in tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from experiments.report.intervals import ANY, LEVEL, Interval, Range, interval
from experiments.report.report import Report
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies.claim import Finding, Sample, finding, level, verdict
from experiments.studies.design import Term, less, more
from experiments.studies.settings import in_shell
from experiments.studies.tables import telling
from experiments.studies.uncertainty import figures
from experiments.studies.uncertainty.config import Uncertainty
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.measure import HIGHER, PRIMARY, TITLES, ByArm, Passes, possible
from experiments.studies.uncertainty.network import Curves, growth
from experiments.words import counted

WIDTH = 118  # columns that the table takes
SHOWN = (0, 1, 3, 4, 5)  # columns that fit beside each other; the page has all
TOGETHER = level(len(PRIMARY))
WORDS = {Verdict.SUPPORTED: "better", Verdict.REFUTED: "worse"}
NOTE = (
    "Means over seeds ± half of their 95 % interval (Student's t); differences are paired by seed, "
    "MC dropout less the other. ↑ marks measures where more is better. The ensemble is compared at "
    "as many passes as it has members."
)


class Results(NamedTuple):
    """Of all seeds: the scores, the mean of each arm's passes, and how far passes disagree."""

    table: ByArm
    means: list[Mapping[str, Passes]]
    information: list[Passes]
    curves: Curves


def report(title: str, config: Uncertainty, digits: Digits, results: Results) -> Report:
    """All of it, from what came out."""
    used, protocol = config.used, caption(config.used, digits)
    findings = primary(results.table, used.samples)
    decided = Verdict.OPEN if config.smoke else verdict(findings)
    words, command = in_words(findings), in_shell("run uncertainty", config)
    means, labels = results.means, digits.y_test
    found = measures(results.table, used.samples, used.members)
    screen = replace(found, title="How sure, and how rightly?")
    spread = ", ".join(f"{arm} {growth(f):.1f}" for arm, f in results.curves.functions.items())
    wider = f"Spread 2 away from all data, as a multiple of that among them: {spread}."
    return Report(
        settings=config,
        conclusion=Conclusion(
            "uncertainty",
            title,
            decided.value,
            words,
            command,
            number=in_one(findings),
            data="digits",
            seeds=used.seeds,
        ),
        verdict=decided,
        sentence=f"{decided.value.capitalize()}. {words}",
        numbers={"results.csv": per_seed(results.table)},
        tables=[parts(findings), found],
        draw=lambda: {
            "reliability.svg": figures.reliability(means, labels, protocol),
            "entropies.svg": figures.entropies(means, results.information, protocol),
            "rejection.svg": figures.rejection(means, labels, protocol),
            "samples.svg": figures.samples(results.table, protocol),
            "regression.svg": figures.regression(results.curves, wider),
        },
        facts={"protocol": protocol, "regression": wider},
        screens=[screen.screen(SHOWN, right=False, no_wrap=True)],
        lines=[found.note, protocol, words],
        width=WIDTH,
    )


def caption(config: Uncertainty, digits: Digits) -> str:
    """What was run."""
    sizes = "-".join(map(str, (digits.x_train.shape[1], *config.widths, digits.classes)))
    return (
        f"Digits without the classes {', '.join(map(str, config.unseen))}: {len(digits.y_train)} "
        f"to train, {len(digits.y_test)} to test, as many corrupted (noise, a hidden quarter, "
        f"turned by 90°), {len(digits.x_unseen)} unseen. Network {sizes}, dropout {config.rate:g} "
        f"behind each hidden layer, {counted(config.epochs, 'epoch')} of Adam; {config.seeds} "
        f"seeds, {config.samples} samples, ensembles of {config.members}."
    )


def primary(table: ByArm, samples: int) -> list[Finding]:
    """What the claim is about: MC dropout with all samples against one pass without dropout."""
    return better(table, samples, ("deterministic", 1), PRIMARY, TOGETHER)


def better(
    table: ByArm, samples: int, other: tuple[str, int],
    measures: Sequence[str] = tuple(TITLES), level: float = LEVEL,
) -> list[Finding]:  # fmt: skip
    """Whether MC dropout is, seed by seed: higher in some measures, lower in others."""

    def of_measure(name: str) -> Finding:
        terms = Term("MC dropout", f"{samples}", name), Term(other[0], f"{other[1]}", name)
        contrast = (more if name in HIGHER else less)(TITLES[name], *terms)
        return finding(contrast, lambda it: Sample(table[it.case, int(it.arm)][name]), level)

    return [of_measure(name) for name in measures]


def word(finding: Finding) -> str:
    """Better or worse where the interval settles it."""
    return WORDS.get(finding.verdict, finding.verdict.value)


def in_one(findings: Sequence[Finding]) -> str:
    """The part that tells most."""
    part = telling(findings)
    difference = f"{shown(part.interval, '+')} ({word(part)})"
    return f"{part.contrast.words} of MC dropout less deterministic: {difference}"


def in_words(findings: Sequence[Finding]) -> str:
    """Each part of the claim with its interval, and what both halves come to."""
    said = [f"{one.contrast.words} {shown(one.interval, '+')} ({word(one)})" for one in findings]
    calibrated, detects = verdict(findings[:2]), verdict(findings[2:])
    return (
        f"MC dropout less deterministic: {', '.join(said)}. "
        f"Better calibrated: {calibrated.value}; detects better: {detects.value}."
    )


def shown(interval: Interval, sign: str = "", within: Range = ANY) -> str:
    """With four digits."""
    return interval.text(".4f", sign, within)


def measures(table: ByArm, samples: int, members: int) -> Table:
    """All of them: each arm, and how MC dropout compares."""
    arms = {
        "deterministic": ("deterministic", 1),
        f"MC, {members} passes": ("MC dropout", members),
        f"MC, {samples} passes": ("MC dropout", samples),
        f"ensemble of {members}": ("ensemble", members),
    }
    beside = (samples, ("deterministic", 1)), (members, ("ensemble", members))
    gains = (better(table, *pair) for pair in beside)
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
    return _cell(finding.interval, "+", more=f" {word(finding)}")


def _cell(spread: Interval, sign: str = "", within: Range = ANY, more: str = "") -> Cell:
    return Cell(shown(spread, sign, within) + more, float(spread.mean))
