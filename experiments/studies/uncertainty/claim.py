"""The claim against the numbers: paired differences, and what follows from them."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.report.intervals import LEVEL, Interval, interval
from experiments.report.verdict import Verdict
from experiments.studies.uncertainty.measure import ByArm, Scores

HIGHER = {name for name in Scores._fields if name.endswith(("accuracy", "auroc"))}
PRIMARY = ("ece", "nll", "unseen_auroc", "corrupted_auroc")
PRIMARY_LEVEL = 1 - (1 - LEVEL) / len(PRIMARY)  # so that all four hold together at 95 %
TITLES = {
    "accuracy": "accuracy",
    "nll": "NLL",
    "brier": "Brier score",
    "ece": "calibration error",
    "corrupted_accuracy": "accuracy, corrupted",
    "corrupted_nll": "NLL, corrupted",
    "corrupted_ece": "calibration error, corrupted",
    "unseen_auroc": "AUROC of unseen classes",
    "corrupted_auroc": "AUROC of corrupted digits",
    "wrong_auroc": "AUROC of mistakes",
}


class Difference(NamedTuple):
    """One arm less another in one measure, seed by seed; which sign is good depends on it."""

    measure: str
    interval: Interval

    @property
    def word(self) -> str:
        """Better or worse where the interval settles it."""
        if not self.interval.excludes_zero:
            return "open"
        return "better" if (self.interval.mean > 0) == (self.measure in HIGHER) else "worse"


def differences(
    table: ByArm, arm: tuple[str, int], other: tuple[str, int], names: Sequence[str], level: float
) -> list[Difference]:
    """Of every measure."""
    return [
        Difference(name, interval(table[arm][name] - table[other][name], level)) for name in names
    ]


def primary(table: ByArm, samples: int) -> list[Difference]:
    """What the claim is about: MC dropout with all samples against one pass without dropout."""
    arms = ("MC dropout", samples), ("deterministic", 1)
    return differences(table, *arms, PRIMARY, PRIMARY_LEVEL)


def verdict(compared: Sequence[Difference]) -> Verdict:
    """Supported if all is better; refuted as soon as anything is worse."""
    words = {difference.word for difference in compared}
    if "worse" in words:
        return Verdict.REFUTED
    return Verdict.SUPPORTED if words == {"better"} else Verdict.UNDECIDED


def in_words(compared: Sequence[Difference]) -> str:
    """Each part of the claim with its interval."""
    parts = [
        f"{TITLES[name]} {spread.mean:+.4f} ± {spread.half:.4f} ({word})"
        for name, spread, word in ((d.measure, d.interval, d.word) for d in compared)
    ]
    halves = (verdict([d for d in compared if (d.measure in HIGHER) is detects]).value
              for detects in (False, True))  # fmt: skip
    return (
        f"MC dropout less deterministic: {', '.join(parts)}. "
        "Better calibrated: {}; detects better: {}.".format(*halves)
    )
