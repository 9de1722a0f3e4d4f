"""Means and their intervals. Nothing is concluded from one seed: its interval is NaN.

Seeds and test images are two crossed samples: every network of a seed is tested on every image. The
variance of a mean is then a sum: over seeds (weights, batches, masks, training images), and over
test images. Each is estimated by the spread of its own means; both of these hold what is left
between a seed and an image, which counts once. An interval reaches as far as the root of both
parts, each times the square of its own t: it is about as sure as it says, or surer, from two seeds
and at 99.9 % too, where Satterthwaite's degrees of freedom would miss many times as often as they
should. It speaks of new seeds and new test images.

References:
  Baayen, Davidson & Bates, Mixed-effects modeling with crossed random effects for subjects and
  items, 2008. Banerjee, Approximate confidence interval for linear functions of means of k
  populations when the population variances are not equal, 1960.

"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.training.task import Numbers

LEVEL = 0.95
Range = tuple[float, float]
SHARE, PER_CENT, POSITIVE = (0.0, 1.0), (0.0, 100.0), (0.0, np.inf)
ANY = (-np.inf, np.inf)
"""What is possible."""


class Interval(NamedTuple):
    """A mean, and how far its 95 % interval reaches to either side."""

    mean: np.ndarray
    half: np.ndarray

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the mean is settled; never where there is no interval."""
        return bool(abs(self.mean) > self.half)

    def ends(self, within: Range = ANY) -> tuple[np.ndarray, np.ndarray]:
        """From where to where, as far as possible."""
        low = np.maximum(self.mean - self.half, np.minimum(self.mean, within[0]))
        high = np.minimum(self.mean + self.half, np.maximum(self.mean, within[1]))
        return low, high

    def text(self, digits: str = ".2f", sign: str = "", within: Range = ANY) -> str:
        """As tables show it: an interval that would reach beyond what is possible by its ends."""
        mean, ends = f"{self.mean:{sign}{digits}}", self.ends(within)
        if np.isnan(self.half):
            return f"{mean} ± n/a"
        if ends == self.ends():
            return f"{mean} ± {self.half:{digits}}"
        return f"{mean} ({' to '.join(f'{end:{sign}{digits}}' for end in ends)})"


class Spread(NamedTuple):
    """The two parts of a mean's variance, and what they were estimated from."""

    over_seeds: np.ndarray
    """With what is left between a seed and an image."""
    over_images: np.ndarray
    """Without that."""
    rest: np.ndarray
    """That alone."""
    seeds: int
    images: int
    """0 where nothing is known of single ones."""

    def half(self, level: float = LEVEL) -> np.ndarray:
        """How far an interval reaches."""
        parts = (self.over_seeds, self.seeds), (self.over_images, self.images)
        reach = [stats.t.ppf((1 + level) / 2, max(n - 1, 1)) ** 2 * part for part, n in parts]
        return np.sqrt(sum(reach))

    def of(self, seeds: int, images: int) -> "Spread":
        """What it would be of so many."""
        by_seeds, by_images = self.seeds / seeds, self.images / images if images else 1.0
        rest, own = self.rest * by_seeds * by_images, np.maximum(self.over_seeds - self.rest, 0)
        return Spread(own * by_seeds + rest, self.over_images * by_images, rest, seeds, images)


def spread(samples: Numbers, table: Numbers | None = None) -> Spread:
    """Of the mean of a sample a seed; `table` has, on a last axis besides, the test images."""
    samples = np.asarray(samples, np.float64)
    nothing, seeds = np.zeros(samples.shape[1:]), len(samples)
    if seeds < 2:
        return Spread(nothing * np.nan, nothing, nothing, seeds, 0)
    over_seeds = samples.var(0, ddof=1) / seeds
    if table is None or table.shape[-1] < 2:
        return Spread(over_seeds, nothing, nothing, seeds, 0)
    images, found = table.shape[-1], np.asarray(table, np.float64)
    of_images = found.mean(0)
    left = found - found.mean(-1, keepdims=True) - of_images + of_images.mean(-1)[..., None]
    rest = (left**2).sum((0, -1)) / ((seeds - 1) * (images - 1) * seeds * images)
    over_images = np.maximum(of_images.var(-1, ddof=1) / images - rest, 0)
    return Spread(over_seeds, over_images, rest, seeds, images)


def interval(samples: Numbers, level: float = LEVEL, table: Numbers | None = None) -> Interval:
    """The mean over the first axis; without single images for new seeds alone (Student's t)."""
    return Interval(np.asarray(samples, np.float64).mean(0), spread(samples, table).half(level))
