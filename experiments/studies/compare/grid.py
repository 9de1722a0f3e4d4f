"""The grid of a comparison: placement by rate, the difference to none in each cell."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.report.colours import INK, of_difference, on
from experiments.report.figures import WIDTH, fold, in_style, picture
from experiments.report.page import Picture
from experiments.studies.compare.measure import ACCURACY, Measure
from experiments.studies.compare.tables import Rows, Summary, equals

CELL, NAMES = (0.56, 0.42), 1.5  # inches


@in_style()
def cells(
    headline: str, rows: Rows, best: Summary, caption: str, by: Measure = ACCURACY
) -> Picture:
    """The best cell has a frame, if there is more than one seed."""
    rates = [summary.point.rate for summary in next(iter(rows.values()))]
    size = max(WIDTH, NAMES + CELL[0] * len(rates)), 1.8 + CELL[1] * len(rows)
    figure = Figure(figsize=size, layout="constrained")
    axes, reach = figure.subplots(), _reach(rows, by)
    for height, row in enumerate(rows.values()):
        for place, one in enumerate(row):
            better, decided = by.sign * float(one.difference.mean), one.difference.excludes_zero
            _cell(axes, (place, height), one, of_difference(better, reach, decided), by)
            if one is best and np.isfinite(one.score.half):
                axes.add_patch(Rectangle((place, height), 1, 1, fill=False, ec=INK, lw=2, zorder=3))
    axes.set(xlim=(0, len(rates)), ylim=(len(rows), 0), xlabel="dropout rate", ylabel="placement")
    axes.set_xticks(np.arange(len(rates)) + 0.5, [f"{rate:g}" for rate in rates])
    axes.set_yticks(np.arange(len(rows)) + 0.5, [fold(name, 21) for name in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    note = (
        f"In each cell test {by.name} less that of no dropout, and ± half the 95 % interval "
        f"({by.points}). Blue: better; red: worse; pale: not decided. Colours are full from "
        f"{reach:.2g} on."
    )
    return picture(headline, figure, caption, _seen(rows, by), note)


def _seen(rows: Rows, by: Measure) -> str:
    """How many cells are settled, and which is worst."""
    every = [one for row in rows.values() for one in row]
    settled = [one for one in every if one.difference.excludes_zero]
    better = sum(by.sign * one.difference.mean > 0 for one in settled)
    worst = min(every, key=lambda one: by.worth(one.difference.mean))
    return (
        f"A cell for each of {len(every)} placements and rates; better than no dropout: {better}; "
        f"worse: {len(settled) - better}; not decided: {len(every) - len(settled)}. Worst: "
        f"{equals(worst, rows)}, {worst.difference.text(by.gap_digits, '+')} {by.points}."
    )


def _reach(rows: Rows, by: Measure) -> float:
    """Where colours are full: twice the greatest gain, or the usual difference if that is more."""
    differences = [by.sign * float(one.difference.mean) for row in rows.values() for one in row]
    finite = [one for one in differences if np.isfinite(one)] or [0.0]
    return max(2 * max(finite), float(np.median(np.abs(finite))), 1e-9)


def _cell(axes: Axes, at: tuple[float, float], one: Summary, colour: str, by: Measure) -> None:
    (mean, half), (left, top) = one.difference, at
    axes.add_patch(Rectangle(at, 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    text = f"{mean:+{by.gap_digits}}" if np.isfinite(mean) else "diverged"
    bar = f"± {half:{by.gap_digits}}" if np.isfinite(half) else "± n/a"
    for words, down, va, size in ((text, 0.5, "bottom", 8.5), (bar, 0.54, "top", 7.5)):
        axes.text(
            left + 0.5, top + down, words, va=va, ha="center", fontsize=size, color=on(colour)
        )
