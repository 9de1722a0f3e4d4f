"""Figures hold what is drawn on them, in any script, and their bytes repeat."""

import itertools
import re

import numpy as np
import pytest
from markupsafe import escape
from matplotlib.figure import Figure
from rich.cells import cell_len

from experiments.report import figures
from experiments.report.intervals import PER_CENT, Interval

SEEN = "One is 1 ± 0."
NAMES = "$x$ <é> 层 落とし رها छोड़"


@figures.in_style()
def drawn(title="A finding"):
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.eye(3), interpolation="none")
    axes.set_xlabel(NAMES)
    return figures.picture(title, figure, f"what was run {NAMES}", SEEN, "how to read it")


def test_those_who_cannot_see_it_hear_the_title_and_the_numbers():
    assert drawn("Two & two is 4.").alt == f"Two & two is 4. {SEEN}"
    assert "Two &amp; two is 4" in drawn("Two & two is 4").svg.decode()
    assert "how to read it" in drawn().svg.decode()


def test_names_of_any_script_stay_text_and_need_no_font_here():
    """Warnings are errors in tests: a font that lacks a letter would give one."""
    text = drawn().svg.decode()
    assert f">{escape(NAMES)}</text>" in text
    assert re.search(r"'DejaVu Sans', [^\"]*sans-serif", text)


def test_bytes_repeat_and_hold_no_date():
    assert drawn().svg == drawn().svg
    assert "dc:date" not in drawn().svg.decode()
    assert "matplotlib.org" not in drawn().svg.decode()


def test_lines_hold_wide_letters_and_whole_intervals():
    lines = figures.fold("层" * 30 + " a name", 20).split("\n")
    assert max(map(cell_len, lines)) <= 20
    assert "".join(lines).replace(" ", "") == "层" * 30 + "aname"
    assert figures.fold("gains +1.25 ± 0.50 points", 14).split("\n")[1].startswith("+1.25 ± 0.50")


@pytest.mark.parametrize("flat", [True, False])
def test_intervals_reach_no_further_than_is_possible(flat):
    _, (axes,) = figures.panels(1, 1, 1.0, 1.0)
    spread = Interval(np.array([99.5, 1.0]), np.array([2.0, 3.0]))
    figures.points(axes, [0, 1], spread, flat, PER_CENT)
    ends = np.stack([path.vertices for path in axes.collections[0].get_paths()])
    np.testing.assert_allclose(ends[..., 0 if flat else 1], [[97.5, 100], [0, 4]])


@pytest.mark.parametrize("heights", [(0.0, 0.0, 0.01), (0.5, 0.52, 0.51), (1.0, 0.99, 0.98)])
def test_names_beside_lines_do_not_lie_on_each_other(heights):
    figure, (axes,) = figures.panels(1, 1, 4.0, 1.5)
    axes.set_ylim(0, 1)
    names: dict[str, float] = dict(zip(("one", "two", "three"), heights, strict=True))
    figures.ends(axes, names, dict.fromkeys(names, "black"))
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    assert axes.bbox.y0 - 1 <= middles[0]
    assert middles[-1] <= axes.bbox.y1 + 1
    assert [text.get_text() for text in axes.texts] == sorted(names, key=lambda name: names[name])


@pytest.mark.parametrize("last", [1, 2, 3, 7, 100])
def test_epochs_are_whole(last):
    _, (axes,) = figures.panels(1, 1, 2.0, 1.0)
    losses = np.ones((last, 2))
    figures.curve(axes, range(1, last + 1), losses, losses)
    ticks = axes.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


@pytest.mark.parametrize("ends", [(0.2, 0.45), (0.02, 3.0), (1e-4, 1.0)])
def test_losses_have_ticks_that_are_read(ends):
    figure, (axes,) = figures.panels(1, 1, 2.0, 1.0)
    figures.logarithmic(axes, *ends)
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    shown = [label.get_text() for label in axes.get_yticklabels()
             if low <= label.get_position()[1] <= high]  # fmt: skip
    assert len(shown) >= 2
    assert all(float(text) for text in shown)


def test_a_loss_of_zero_is_left_alone():
    _, (axes,) = figures.panels(1, 1, 1.0, 1.0)
    figures.logarithmic(axes, 0.0, 1.0)
    assert axes.get_yscale() == "linear"
