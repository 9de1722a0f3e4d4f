"""The claim against the numbers: each contrast with its interval, and what follows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.report.intervals import LEVEL, Interval, Spread, spread
from experiments.report.verdict import Verdict
from experiments.studies.design import Contrast, Design, Term
from experiments.studies.results import Result

MOST = 10**6
"""Seeds or images; more than these nobody will have."""


class Sample(NamedTuple):
    """What was measured of an arm: for each seed, and for each test image if it has such values."""

    seeds: np.ndarray
    images: np.ndarray | None = None
    """Means over seeds."""


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
        return self.interval.text(".3g", "+")

    @property
    def in_full(self) -> str:
        """The same with what it is of, and its unit."""
        unit = next(iter(self.contrast.weights)).unit
        return f"{self.contrast.words}: {self.text} {unit}".rstrip()

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
        if seeds := self.seeds_needed:
            return f"about {seeds:,} seeds would decide it"
        if images := self.images_needed:
            return f"images are short: about {images:,} for {self.spread.images:,} would decide it"
        return "no number of seeds would decide it"

    @property
    def seeds_needed(self) -> int | None:
        """If any number will do, with the images there are."""
        over_seeds, _, seeds, _ = self.spread

        def decides(count: int) -> bool:
            return self._decides(self.spread._replace(
                over_seeds=over_seeds * seeds / count, seeds=count))  # fmt: skip

        return _least(decides, seeds)

    @property
    def images_needed(self) -> int | None:
        """With as many seeds as it takes."""
        over_seeds, over_images, seeds, images = self.spread

        def decides(count: int) -> bool:
            parts = over_seeds * seeds / MOST, over_images * images / count
            return self._decides(Spread(*parts, MOST, count))

        return _least(decides, images) if images else None

    def _decides(self, spread: Spread) -> bool:
        half = float(spread.half(self.level))
        return outcome(self.contrast, self.margin, self.mean, half) is not Verdict.OPEN


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


def _least(decides: Callable[[int], bool], begin: int) -> int | None:
    """The smallest number beyond `begin` that does; larger ones do too."""
    if not decides(MOST):
        return None
    low, high = begin, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def level(contrasts: int, looks: int = 1) -> float:
    """Of each interval, so that all hold together at 95 %, at every look."""
    return 1 - (1 - LEVEL) / (contrasts * looks)


def findings(
    design: Design, results: Mapping[str, Result], margin: float, looks: int = 1
) -> list[Finding]:
    """What came out of each part of the claim."""

    def sample(term: Term) -> Sample:
        case, arm, measure = term
        column, result = list(design.cases[case].arms).index(arm), results[case]
        seeds = np.asarray(result.final[measure], np.float64)[:, column]
        images = result.images.get(measure)
        return Sample(seeds, None if images is None else images[column])

    each = level(len(design.contrasts), looks)
    return [finding(contrast, sample, each, margin) for contrast in design.contrasts]


def finding(
    contrast: Contrast, sample: Callable[[Term], Sample], level: float, margin: float = 0.0
) -> Finding:
    """What came out of one part, from what was measured of its terms."""
    weights, samples = [*contrast.weights.values()], [sample(term) for term in contrast.weights]
    seeds = np.tensordot(weights, [one.seeds for one in samples], 1)
    of_images = [one.images for one in samples if one.images is not None]
    every = len(of_images) == len(samples)
    images = np.tensordot(weights, of_images, 1) if every else None
    margin = margin if contrast.margin is None else contrast.margin
    return Finding(contrast, float(seeds.mean()), spread(seeds, images), level, margin)


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Of each data set by itself; what all come to, or mixed."""
    words = {_of_data_set(part) for part in _by_data_set(findings)}
    return words.pop() if len(words) == 1 else Verdict.MIXED


def _by_data_set(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    for name in dict.fromkeys(one.contrast.dataset for one in findings):
        yield [one for one in findings if one.contrast.dataset == name]


def _of_data_set(findings: Sequence[Finding]) -> Verdict:
    """Supported if every part is; refuted as soon as one is, or shows no difference."""
    words = {finding.verdict for finding in findings}
    if words & {Verdict.REFUTED, Verdict.NO_DIFFERENCE}:
        return Verdict.REFUTED
    return Verdict.SUPPORTED if words == {Verdict.SUPPORTED} else Verdict.OPEN


def telling(findings: Sequence[Finding]) -> Finding:
    """The part on which the verdict rests: the first that denies, is open, or else is nearest."""
    for words in ({Verdict.REFUTED, Verdict.NO_DIFFERENCE}, {Verdict.OPEN}):
        if found := [one for one in findings if one.verdict in words]:
            return found[0]
    return min(findings, key=lambda one: abs(one.mean) / max(float(one.interval.half), 1e-9))


def in_words(findings: Sequence[Finding]) -> str:
    """Each part of the claim with its interval."""
    return "; ".join(f"{one.contrast.words} {one.text} ({_said(one)})" for one in findings)


def _said(finding: Finding) -> str:
    return ": ".join(filter(None, (finding.verdict.value, finding.needs)))
