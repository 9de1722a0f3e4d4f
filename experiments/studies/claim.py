"""The claim against the numbers: each contrast with its interval, and what follows."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.report.intervals import LEVEL, Interval, Spread, spread
from experiments.report.verdict import Verdict
from experiments.studies.design import Contrast, Design, Term
from experiments.studies.results import Results

MOST = 10**6
"""Seeds or images; more than these nobody will have."""

REFUTING = frozenset({Verdict.REFUTED, Verdict.NO_DIFFERENCE})
ROUNDING = 1e-5  # of an interval: what single precision leaves of a difference that is none


class Sample(NamedTuple):
    """What was measured of an arm: for each seed, and of each test image if it has such values."""

    seeds: np.ndarray
    table: np.ndarray | None = None
    """Seeds by images."""
    tests: Any = None
    """Which images these are: those of two samples are paired if they are the same."""


class Finding(NamedTuple):
    """A contrast and its interval, over seeds and test images."""

    contrast: Contrast
    mean: float
    spread: Spread
    level: float
    margin: float = 0.0
    """The smallest difference that matters."""

    @property
    def interval(self) -> Interval:
        """At the level."""
        return Interval(np.asarray(self.mean), self.spread.half(self.level))

    @property
    def text(self) -> str:
        """The difference as tables show it."""
        interval = self.interval
        if abs(self.mean) < ROUNDING * interval.half:
            interval = interval._replace(mean=np.zeros(()))
        return interval.text(".3g", "+")

    @property
    def unit(self) -> str:
        """Of the difference."""
        return next(iter(self.contrast.weights)).unit

    @property
    def in_unit(self) -> str:
        """The difference and its unit."""
        return f"{self.text} {self.unit}".rstrip()

    @property
    def said(self) -> str:
        """The verdict, and what is needed for another."""
        return ": ".join(filter(None, (self.verdict.value, self.needs)))

    @property
    def bounds(self) -> str:
        """Where it should lie, in words."""
        low, high = self.contrast.low, self.contrast.high
        if np.isinf(high):
            return f"> {low:g}"
        return f"< {high:g}" if np.isinf(low) else f"{low:g} to {high:g}"

    @property
    def same(self) -> tuple[float, float]:
        """Where it is too small to matter, or is claimed to be."""
        if self.contrast.claims_same:
            return self.contrast.low, self.contrast.high
        return -self.margin, self.margin

    @property
    def verdict(self) -> Verdict:
        """What the whole interval says: too small to matter, as claimed, not so, or nothing yet."""
        return outcome(self.contrast, self.margin, self.mean, float(self.interval.half))

    @property
    def needs(self) -> str:
        """Of an open contrast, what would decide it at this mean and spread, in words."""
        if self.verdict is not Verdict.OPEN:
            return ""
        if self.spread.seeds < 2:
            return "one seed tells nothing"
        if not np.isfinite(self.mean):
            return "a network diverged"
        if seeds := self.seeds_needed:
            return f"about {seeds:,} seeds would decide it"
        if images := self.images_needed:
            short = f"images are short: about {images:,} for {self.spread.images:,}"
            return f"{short}, and many seeds, would decide it"
        return "no number of seeds would decide it"

    @property
    def weight(self) -> tuple[int, float]:
        """What it tells: a difference most, then an equality, and least what is open.

        Of two alike, by how many smallest differences that matter: an equality at most, else at
        least.
        """
        decided = self.verdict is not Verdict.OPEN
        claimed = self.contrast.claims_same and self.verdict is Verdict.SUPPORTED
        equal = claimed or self.verdict is Verdict.NO_DIFFERENCE
        half = float(self.interval.half) * (1 if equal else -1)
        size = (abs(self.mean) + half) / max(self.same[1], 1e-9)
        return 2 * decided - equal, float(np.nan_to_num(size, nan=-np.inf))

    @property
    def seeds_needed(self) -> int | None:
        """If any number will do, with the images there are."""
        now = self.spread
        return self._least(lambda count: now.of(count, now.images), now.seeds)

    @property
    def images_needed(self) -> int | None:
        """With as many seeds as it takes."""
        now = self.spread
        return self._least(lambda count: now.of(MOST, count), now.images) if now.images else None

    @property
    def can_be_closed(self) -> bool:
        """Whether it is open, and more seeds may decide it."""
        waits = self.spread.seeds < 2 or self.seeds_needed is not None
        return self.verdict is Verdict.OPEN and waits

    def _least(self, spread: Callable[[int], Spread], begin: int) -> int | None:
        """The smallest number beyond `begin` that decides; larger ones do too."""

        def decides(count: int) -> bool:
            half = float(spread(count).half(self.level))
            return outcome(self.contrast, self.margin, self.mean, half) is not Verdict.OPEN

        numbers = range(min(begin + 1, MOST), MOST + 1)
        return numbers[bisect_left(numbers, True, key=decides)] if decides(MOST) else None


def outcome(contrast: Contrast, margin: float, mean: float, half: float) -> Verdict:
    """What an interval says of a contrast."""
    low, high = mean - half, mean + half
    if not contrast.claims_same and -margin <= low and high <= margin:
        return Verdict.NO_DIFFERENCE
    if low > contrast.low and high < contrast.high:
        return Verdict.SUPPORTED
    if high <= contrast.low or low >= contrast.high:
        return Verdict.REFUTED
    return Verdict.OPEN


def level(contrasts: int, looks: int = 1) -> float:
    """Of each interval, so that all hold together at 95 %, at every look."""
    return 1 - (1 - LEVEL) / (contrasts * looks)


def findings(design: Design, results: Results, margin: float, looks: int = 1) -> list[Finding]:
    """What came out of each part of the claim."""

    def sample(term: Term) -> Sample:
        case, result = design.cases[term.case], results[term.case]
        arm, table = list(case.arms).index(term.arm), result.images.get(term.measure)
        seeds = np.asarray(result.final[term.measure], np.float64)[:, arm]
        return Sample(seeds, None if table is None else table[:, arm], case.data.x_test)

    each = level(len(design.contrasts), looks)
    return [finding(contrast, sample, each, margin) for contrast in design.contrasts]


def finding(
    contrast: Contrast, sample: Callable[[Term], Sample], level: float, margin: float = 0.0
) -> Finding:
    """What came out of one part, from what was measured of its terms."""
    weights, samples = [*contrast.weights.values()], [sample(term) for term in contrast.weights]
    seeds = np.tensordot(weights, [one.seeds for one in samples], 1)
    tables = [one.table for one in samples if one.table is not None]
    same = all(np.array_equal(one.tests, samples[0].tests) for one in samples[1:])
    paired = same and len(tables) == len(samples)
    found = spread(seeds, np.tensordot(weights, tables, 1) if paired else None)
    margin = margin if contrast.margin is None else contrast.margin
    return Finding(contrast, float(seeds.mean()), found, level, margin)


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Of each data set by itself; what all come to, or mixed."""
    words = {*by_data_set(findings).values()}
    return words.pop() if len(words) == 1 else Verdict.MIXED


def by_data_set(findings: Sequence[Finding]) -> dict[str, Verdict]:
    """That of each."""
    parts: dict[str, set[Verdict]] = {}
    for one in findings:
        parts.setdefault(one.contrast.dataset, set()).add(one.verdict)
    return {name: _of_parts(words) for name, words in parts.items()}


def _of_parts(words: set[Verdict]) -> Verdict:
    """Supported if every part is; refuted as soon as one is, or shows no difference."""
    if words & REFUTING:
        return Verdict.REFUTED
    return Verdict.SUPPORTED if words == {Verdict.SUPPORTED} else Verdict.OPEN
