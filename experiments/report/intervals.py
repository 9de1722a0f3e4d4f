"""Means and their intervals. Nothing is concluded from one seed: its interval is NaN.

Seeds and test images are two crossed samples: every network of a seed is tested on every image. The
variance of a mean is then a sum: over seeds (weights, batches, masks, training images), and over
test images. Each is estimated by the spread of its own means, both of which hold what is left
between a seed and an image: so the sum is too large by that at most, and the interval errs on the
wide side. Degrees of freedom are Satterthwaite's. It speaks of new seeds and new test images.

References:
  Baayen, Davidson & Bates, Mixed-effects modeling with crossed random effects for subjects and
  items, 2008. Satterthwaite, An approximate distribution of estimates of variance components, 1946.

"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.training.task import Numbers

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean, and how far its 95 % interval reaches to either side."""

    mean: np.ndarray
    half: np.ndarray

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the mean is settled; never where there is no interval."""
        return bool(abs(self.mean) > self.half)

    def text(self, digits: str = ".2f", sign: str = "") -> str:
        """As tables show it."""
        half = "n/a" if np.isnan(self.half) else f"{self.half:{digits}}"
        return f"{self.mean:{sign}{digits}} ± {half}"


class Spread(NamedTuple):
    """The two parts of a mean's variance, and what they were estimated from."""

    over_seeds: np.ndarray
    over_images: np.ndarray
    seeds: int
    images: int

    def half(self, level: float = LEVEL) -> np.ndarray:
        """How far an interval reaches."""
        variance = self.over_seeds + self.over_images
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = self.over_seeds**2 / (self.seeds - 1)
            squares += self.over_images**2 / max(self.images - 1, 1)
            freedom = np.where(squares > 0, variance**2 / squares, np.inf)
        return stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance)


def spread(samples: Numbers, images: Numbers | None = None) -> Spread:
    """Of the mean of a sample a seed; `images` are the means over seeds of each test image."""
    samples = np.asarray(samples, np.float64)
    nothing = np.zeros(samples.shape[1:])
    if len(samples) < 2:
        return Spread(nothing * np.nan, nothing, len(samples), 0)
    over_seeds = samples.var(0, ddof=1) / len(samples)
    if images is None or len(images) < 2:
        return Spread(over_seeds, nothing, len(samples), 0)
    over_images = np.asarray(images, np.float64).var(0, ddof=1) / len(images)
    return Spread(over_seeds, over_images, len(samples), len(images))


def interval(samples: Numbers, level: float = LEVEL, images: Numbers | None = None) -> Interval:
    """The mean over the first axis; without values of images for new seeds alone (Student's t)."""
    return Interval(np.asarray(samples, np.float64).mean(0), spread(samples, images).half(level))
