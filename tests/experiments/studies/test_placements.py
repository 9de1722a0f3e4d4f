import numpy as np
import pytest

from experiments.models.mlp import mlp_sites
from experiments.studies.compare.placements import PLACEMENTS, Arm, arms_of, rate_rows, sites_of

SITES = {
    "none": set(),
    "input": {"input"},
    "first-hidden": {"post1"},
    "last-hidden": {"post3"},
    "before-activation": {"pre1", "pre2", "pre3"},
    "after-activation": {"post1", "post2", "post3"},
    "input-and-hidden": {"input", "post1", "post2", "post3"},
    "logits": {"logits"},
}


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_placement_is_a_set_of_sites(placement):
    assert sites_of(placement, 3) == SITES[placement]
    assert sites_of(placement, 3) <= {*mlp_sites(3)}


def test_all_placements_and_rates_make_36_arms_and_none_comes_once():
    arms = arms_of(PLACEMENTS, (0.1, 0.3, 0.5, 0.7, 0.9))
    assert len(arms) == len(set(arms)) == 36
    assert arms[0] == Arm("none", 0.0)
    assert [arm.placement for arm in arms].count("none") == 1


def test_none_is_always_there_and_repeats_are_dropped():
    assert arms_of(["logits", "logits"], (0.5, 0.1, 0.5)) == [
        ("none", 0.0),
        ("logits", 0.1),
        ("logits", 0.5),
    ]


def test_an_arm_is_a_row_of_rates_over_the_sites():
    rows = rate_rows([Arm("none", 0.0), Arm("after-activation", 0.3)], mlp_sites(1), 1)
    np.testing.assert_array_equal(rows, np.array([[0, 0, 0, 0], [0, 0, 0.3, 0]], np.float32))
