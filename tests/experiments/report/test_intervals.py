import numpy as np
import pytest
from experiments.studies.compare.placements import Arm
from experiments.studies.compare.summary import summarise
from scipy import stats

from experiments.report.intervals import interval
from experiments.training.task import Metrics

ARMS = [Arm("none", 0.0), Arm("input", 0.5), Arm("logits", 0.5)]


def metrics(test_accuracy):
    ones = np.ones_like(test_accuracy)
    return Metrics(ones, ones, test_accuracy, 0.5 * ones)


def test_the_interval_is_that_of_the_t_test():
    samples = np.random.default_rng(0).normal(size=8)
    low, high = stats.ttest_1samp(samples, 0).confidence_interval(0.95)
    mean, half = interval(samples)
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_seed_has_no_interval_and_settles_nothing():
    one = interval(np.array([3.0]))
    assert np.isnan(one.half)
    assert not one.excludes_zero


def test_a_constant_difference_is_settled():
    assert interval(np.array([1.0, 1.0])).excludes_zero
    assert not interval(np.array([0.0, 0.0])).excludes_zero


def test_differences_are_paired():
    random = np.random.default_rng(1)
    hard = random.normal(size=8)  # how hard each seed is, for all arms alike
    accuracy = (
        0.5 + 0.1 * hard[:, None] + np.array([0, 0.01, 0.02]) + 1e-4 * random.normal(size=(8, 3))
    )
    best = summarise(ARMS, metrics(accuracy))[0]
    assert best.arm == ARMS[2]
    assert best.accuracy.half > 4
    none, logits = 100 * accuracy[:, 0], 100 * accuracy[:, 2]
    low, high = stats.ttest_rel(logits, none).confidence_interval(0.95)
    assert best.difference.mean == pytest.approx((low + high) / 2)
    assert best.difference.half == pytest.approx((high - low) / 2)


def test_the_best_comes_first_and_the_gap_is_train_minus_test():
    summaries = summarise(ARMS, metrics(np.array([[0.7, 0.9, 0.8], [0.7, 0.9, 0.8]])))
    assert [summary.arm.placement for summary in summaries] == ["input", "logits", "none"]
    assert summaries[0].gap.mean == pytest.approx(10)
