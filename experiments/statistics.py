"""Means and intervals over seeds. Nothing is concluded from one seed: its interval is NaN."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.placements import Arm
from experiments.plan import Metrics, Numbers

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean, and how far its 95 % interval reaches to either side."""

    mean: np.ndarray
    half: np.ndarray

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the mean is settled; never where there is no interval."""
        return bool(abs(self.mean) > self.half)


class Summary(NamedTuple):
    """What came out for one arm; accuracies, gap and difference in percentage points."""

    arm: Arm
    accuracy: Interval
    gap: Interval
    nll: Interval
    difference: Interval


def interval(samples: Numbers, level: float = LEVEL) -> Interval:
    """Student's t interval of the mean over the first axis."""
    samples = np.asarray(samples, np.float64)
    n, mean = len(samples), samples.mean(0)
    if n < 2:
        return Interval(mean, mean * np.nan)
    reach = stats.t.ppf((1 + level) / 2, n - 1) / np.sqrt(n)
    return Interval(mean, reach * samples.std(0, ddof=1))


def summarise(arms: Sequence[Arm], final: Metrics) -> list[Summary]:
    """A summary of each arm, best test accuracy first; the first arm is the reference.

    The arms of a seed share weights, batches and masks, so differences are taken seed by seed:
    what the seeds have in common drops out, and the interval gets narrower.
    """
    train, test = 100 * final.train_accuracy, 100 * final.test_accuracy
    summaries = [
        Summary(
            arm,
            interval(test[:, index]),
            interval(train[:, index] - test[:, index]),
            interval(final.test_nll[:, index]),
            interval(test[:, index] - test[:, 0]),
        )
        for index, arm in enumerate(arms)
    ]
    return sorted(summaries, key=lambda summary: -summary.accuracy.mean)
