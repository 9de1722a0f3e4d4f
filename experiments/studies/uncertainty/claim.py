"""The claim against the numbers: paired differences, and what follows from them."""

from collections.abc import Sequence

from experiments.report.intervals import ANY, LEVEL, Interval, Range
from experiments.report.verdict import Verdict
from experiments.studies.claim import Finding, Sample, finding, level, verdict
from experiments.studies.design import Term, less, more
from experiments.studies.headline import telling
from experiments.studies.uncertainty.measure import TITLES, ByArm

HIGHER = {name for name in TITLES if name.endswith(("accuracy", "auroc"))}
PRIMARY = ("ece", "nll", "unseen_auroc", "corrupted_auroc")
TOGETHER = level(len(PRIMARY))
WORDS = {Verdict.SUPPORTED: "better", Verdict.REFUTED: "worse"}


def primary(table: ByArm, samples: int) -> list[Finding]:
    """What the claim is about: MC dropout with all samples against one pass without dropout."""
    return better(table, samples, ("deterministic", 1), PRIMARY, TOGETHER)


def better(
    table: ByArm,
    samples: int,
    other: tuple[str, int],
    measures: Sequence[str] = tuple(TITLES),
    level: float = LEVEL,
) -> list[Finding]:
    """Whether MC dropout is, seed by seed: higher in some measures, lower in others."""

    def values(term: Term) -> Sample:
        arm, passes, measure = term
        return Sample(table[arm, int(passes)][measure])

    def of_measure(name: str) -> Finding:
        terms = Term("MC dropout", f"{samples}", name), Term(other[0], f"{other[1]}", name)
        contrast = (more if name in HIGHER else less)(TITLES[name], *terms)
        return finding(contrast, values, level)

    return [of_measure(name) for name in measures]


def word(finding: Finding) -> str:
    """Better or worse where the interval settles it."""
    return WORDS.get(finding.verdict, finding.verdict.value)


def in_one(findings: Sequence[Finding]) -> str:
    """The part that tells most."""
    part = telling(findings)
    return (
        f"{part.contrast.words} of MC dropout less deterministic: {shown(part.interval, '+')} "
        f"({word(part)})"
    )


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
