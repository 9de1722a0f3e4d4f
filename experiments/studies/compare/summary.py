"""What came out for each arm of a comparison."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.report.intervals import Interval, interval
from experiments.studies.compare.placements import Arm
from experiments.training.task import Metrics


class Summary(NamedTuple):
    """What came out for one arm; accuracies, gap and difference in percentage points."""

    arm: Arm
    accuracy: Interval
    gap: Interval
    nll: Interval
    difference: Interval


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
