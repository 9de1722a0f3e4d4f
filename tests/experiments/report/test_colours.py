"""Colours are told apart by those who lack a kind of cone, simulated (Machado et al. 2009)."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from experiments.report.colours import BLUE, INK, PALE, RED, SERIES, of_difference, on

LACKING = {
    "none": np.eye(3),
    "long": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "middle": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "short": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
APART = 15  # of CIE 1976; 2.3 is just noticeable


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Lightness, green to red, blue to yellow."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.clip(to_xyz @ rgb / [0.9505, 1, 1.089], 0.00886, 1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one, other, cones):
    seen = (lab(np.clip(LACKING[cones] @ linear(colour), 0, 1)) for colour in (one, other))
    return float(np.linalg.norm(np.subtract(*seen)))


@pytest.mark.parametrize("cones", LACKING)
def test_series_are_told_apart(cones):
    pairs = itertools.combinations(SERIES, 2)
    assert min(distance(*pair, cones) for pair in pairs) > APART


@pytest.mark.parametrize("cones", LACKING)
def test_better_worse_and_undecided_are_told_apart(cones):
    cells = [of_difference(better, 1.0, True) for better in (0.01, 1.0, -0.01, -1.0)]
    better, worse, pale = cells[:2], cells[2:], of_difference(0.5, 1.0, False)
    for pair in (*itertools.product(better, worse), *((one, pale) for one in cells)):
        assert distance(*pair, cones) > APART


def test_a_simulation_sees_a_bad_pair():
    assert distance("#ff0000", "#8f7d00", "long") < APART < distance("#ff0000", "#8f7d00", "none")


def contrast(one, other):
    """As WCAG has it."""
    light = sorted(0.05 + np.array([0.2126, 0.7152, 0.0722]) @ linear(c) for c in (one, other))
    return light[1] / light[0]


@pytest.mark.parametrize("decided", [True, False])
def test_numbers_are_read_on_any_cell(decided):
    for better in np.linspace(-2, 2, 41):
        cell = of_difference(better, 1.0, decided)
        assert contrast(cell, on(cell)) > 4.5, better


def test_what_diverged_has_no_sign():
    assert of_difference(np.nan, 1.0, False) == PALE
    assert len({BLUE, RED, INK, PALE}) == 4
