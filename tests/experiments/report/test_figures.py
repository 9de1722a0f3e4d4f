"""Figures hold what is drawn on them."""

from experiments.report import figures


def test_a_legend_of_long_names_stays_on_the_figure():
    assert figures._columns([4, 5, 12, 11, 17, 16, 16, 6], 12) == 8
    assert figures._columns([30] * 11, 12) == 3
    assert figures._columns([300], 12) == 1
