"""The verdict in words: first the number that tells how large the finding is, then every part."""

from collections.abc import Sequence

from experiments.report.verdict import Verdict
from experiments.studies.claim import Finding, by_data_set, verdict


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
    refute = {Verdict.REFUTED, Verdict.NO_DIFFERENCE}
    refuted = verdict(findings) is Verdict.REFUTED
    parts = [one for one in findings if one.verdict in refute or not refuted]
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
    return "; ".join(f"{one.contrast.words} {one.in_unit} ({_said(one)})" for one in findings)


def _said(finding: Finding) -> str:
    return ": ".join(filter(None, (finding.verdict.value, finding.needs)))
