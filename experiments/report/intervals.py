"""Means and intervals over seeds. Nothing is concluded from one seed: its interval is NaN."""

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


def interval(samples: Numbers, level: float = LEVEL) -> Interval:
    """Student's t interval of the mean over the first axis."""
    samples = np.asarray(samples, np.float64)
    n, mean = len(samples), samples.mean(0)
    if n < 2:
        return Interval(mean, mean * np.nan)
    reach = stats.t.ppf((1 + level) / 2, n - 1) / np.sqrt(n)
    return Interval(mean, reach * samples.std(0, ddof=1))
