"""The claim against the numbers: each contrast with its interval, and what follows."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.report.intervals import LEVEL, Interval, interval
from experiments.report.verdict import Verdict
from experiments.studies.design import Contrast, Design, Term
from experiments.studies.results import Result


class Finding(NamedTuple):
    """A contrast and its interval over seeds."""

    contrast: Contrast
    interval: Interval

    @property
    def text(self) -> str:
        """The difference as tables show it."""
        return self.interval.text(".3g", "+")

    @property
    def verdict(self) -> Verdict:
        """Whether the whole interval lies within the bounds, outside of them, or neither."""
        mean, half = self.interval
        low, high = mean - half, mean + half
        if low > self.contrast.low and high < self.contrast.high:
            return Verdict.SUPPORTED
        if high <= self.contrast.low or low >= self.contrast.high:
            return Verdict.REFUTED
        return Verdict.UNDECIDED


def level(contrasts: int) -> float:
    """Of each interval, so that all hold together at 95 %."""
    return 1 - (1 - LEVEL) / contrasts


def findings(design: Design, results: Mapping[str, Result]) -> list[Finding]:
    """What came out of each part of the claim, seed by seed."""

    def values(term: Term) -> np.ndarray:
        case, arm, measure = term
        column = list(design.cases[case].arms).index(arm)
        return np.asarray(results[case].final[measure], np.float64)[:, column]

    each = level(len(design.contrasts))
    return [finding(contrast, values, each) for contrast in design.contrasts]


def finding(contrast: Contrast, values: Callable[[Term], np.ndarray], level: float) -> Finding:
    """What came out of one part, from the values of its terms for each seed."""
    sums = sum(weight * values(term) for term, weight in contrast.weights.items())
    return Finding(contrast, interval(np.asarray(sums), level))


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Supported if every part is; refuted as soon as one is."""
    words = {finding.verdict for finding in findings}
    if Verdict.REFUTED in words:
        return Verdict.REFUTED
    return Verdict.SUPPORTED if words == {Verdict.SUPPORTED} else Verdict.UNDECIDED


def in_words(findings: Sequence[Finding]) -> str:
    """Each part of the claim with its interval."""
    return "; ".join(
        f"{finding.contrast.words} {finding.text} ({finding.verdict.value})" for finding in findings
    )
