import numpy as np
import pytest
from scipy import stats

from experiments.report.intervals import interval


def test_the_interval_is_that_of_the_t_test():
    samples = np.random.default_rng(0).normal(size=8)
    low, high = stats.ttest_1samp(samples, 0).confidence_interval(0.95)
    mean, half = interval(samples)
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_seed_has_no_interval_and_settles_nothing():
    one = interval(np.array([3.0]))
    assert np.isnan(one.half)
    assert not one.excludes_zero
    assert one.text() == "3.00 ± n/a"


def test_a_constant_difference_is_settled():
    two = interval(np.array([1.0, 1.0]))
    assert two.excludes_zero
    assert not interval(np.array([0.0, 0.0])).excludes_zero
    assert two.text(".1f", "+") == "+1.0 ± 0.0"
