"""The figures of a comparison: the grid, and curves, a panel for each placement.

In the grid a cell shows the difference to none; placements that came out equal are drawn once.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.report.colours import BLUE, GREY, INK, of_difference, on
from experiments.report.figures import WIDTH, curve, fold, in_style, panels, picture, points
from experiments.report.intervals import Interval
from experiments.report.page import Picture
from experiments.studies.compare.design import Point
from experiments.studies.compare.tables import ACCURACY, Measure, Rows, Summary, equals, flat
from experiments.studies.design import Term
from experiments.studies.figures import labelled
from experiments.studies.results import Result
from experiments.words import counted

CELL, NAMES = (0.56, 0.42), 1.5  # inches
BELOW = 10
"""So many points below no dropout are shown; of errors twice those without it."""


@in_style()
def cells(
    headline: str, rows: Rows, best: Summary, caption: str, by: Measure = ACCURACY
) -> Picture:
    """The best cell has a frame, if there is more than one seed."""
    rates = [summary.point.rate for summary in next(iter(rows.values()))]
    size = max(WIDTH, NAMES + CELL[0] * len(rates)), 1.8 + CELL[1] * len(rows)
    figure = Figure(figsize=size, layout="constrained")
    differences = [by.sign * float(one.difference.mean) for one in flat(rows)]
    finite = [one for one in differences if np.isfinite(one)] or [0.0]
    # colours are full at twice the greatest gain, or at the usual difference if that is more
    reach = max(2 * max(finite), float(np.median(np.abs(finite))), 1e-9)
    axes = figure.subplots()
    for height, row in enumerate(rows.values()):
        for place, one in enumerate(row):
            _cell(axes, (place, height), one, reach, by)
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
    every = flat(rows)
    settled = [one for one in every if one.difference.excludes_zero]
    better = sum(by.sign * one.difference.mean > 0 for one in settled)
    worst = min(every, key=lambda one: by.worth(one.difference.mean))
    return (
        f"A cell for each of {len(every)} placements and rates; better than no dropout: {better}; "
        f"worse: {len(settled) - better}; not decided: {len(every) - len(settled)}. Worst: "
        f"{equals(worst, rows)}, {worst.difference.text(by.gap_digits, '+')} {by.points}."
    )


def _cell(axes: Axes, at: tuple[float, float], one: Summary, reach: float, by: Measure) -> None:
    (mean, half), (left, top) = one.difference, at
    colour = of_difference(by.sign * float(mean), reach, one.difference.excludes_zero)
    axes.add_patch(Rectangle(at, 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    text = f"{mean:+{by.gap_digits}}" if np.isfinite(mean) else "diverged"
    bar = f"± {half:{by.gap_digits}}" if np.isfinite(half) else "± n/a"
    for words, down, va, size in ((text, 0.5, "bottom", 8.5), (bar, 0.54, "top", 7.5)):
        style = {"va": va, "ha": "center", "fontsize": size, "color": on(colour)}
        axes.text(left + 0.5, top + down, words, **style)


@in_style()
def scores(none: Summary, rows: Rows, caption: str, by: Measure = ACCURACY) -> Picture:
    """What is measured against rate, beside what no dropout gives."""
    figure, shown = _panels(list(rows))
    for axes, row in zip(shown, rows.values(), strict=True):
        axes.axhline(float(none.score.mean), color=GREY)
        rates, means = [one.point.rate for one in row], [one.score.mean for one in row]
        spread = Interval(np.array(means), np.array([one.difference.half for one in row]))
        style = {"fmt": "o-", "color": BLUE, "linewidth": 1}
        points(axes, rates, spread, within=Term("", "", by.name).possible, **style)
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    every = flat(rows)
    _limit(shown[0], np.array([one.score.mean for one in (none, *every)]), by)
    labelled(figure, shown, "dropout rate", f"test {by.name}{by.unit}")
    best, worst = (end(every, key=lambda one: by.worth(one.score.mean)) for end in (max, min))
    return picture(
        f"{'Highest' if by.sign > 0 else 'Lowest'} mean test {by.name} with dropout: "
        f"{by.written(best.score.mean)}, {equals(best, rows)}; without: "
        f"{by.written(none.score.mean)}",
        figure,
        caption,
        f"A panel for each of {counted(len(rows), 'placement')}, by rate. The best differs from no "
        f"dropout by {best.difference.text(by.gap_digits, '+')} {by.points}; "
        f"worst is {equals(worst, rows)}: {by.written(worst.score.mean)}.",
        "Blue: means, and 95 % intervals of their difference to no dropout, the grey line. "
        "What is far worse is cut off.",
    )


@in_style()
def curves(
    points: Sequence[Point],
    result: Result,
    placed: Mapping[str, Sequence[int]],
    caption: str,
    by: Measure = ACCURACY,
) -> Picture:
    """What is measured against epoch: of each placement its best rate, beside no dropout."""
    final = np.asarray(result.final[f"test {by.name}"]).mean(0)
    gap = by.gap(result.final).mean(0)
    best = [max(arms, key=lambda arm: by.worth(final[arm])) for arms in placed.values()]
    names = dict(zip(best, placed, strict=True))
    test, train = (result.course(f"{part} {by.name}") for part in ("test", "train"))
    figure, shown = _panels([f"{name}, {points[arm].rate:g}" for arm, name in names.items()])
    for axes, arm in zip(shown, best, strict=True):
        curve(axes, result.epochs, test[:, [0, arm]], train[:, [0, arm]])
    ends = [test[-1, 0], _worst(test[-1, 0], by), *test[-1, best], *train[-1, [0, *best]]]
    _limit(shown[0], np.array(ends), by)
    labelled(figure, shown, "epoch", f"{by.name}{by.unit}")
    least = min(best, key=lambda arm: np.nan_to_num(gap[arm], nan=np.inf))
    top = max(best, key=lambda arm: by.worth(final[arm]))
    return picture(
        f"Training ends {gap[0]:{by.gap_digits}} {by.points} ahead of test without dropout, "
        f"{gap[least]:{by.gap_digits}} with {names[least]} at rate {points[least].rate:g}",
        figure,
        f"{by.name[0].upper()}{by.name[1:]} without dropout when measured, means over seeds. "
        f"{caption}",
        f"Test and training {by.name} by epoch, a panel for each of "
        f"{counted(len(best), 'placement')}. On the test {names[top]} at rate "
        f"{points[top].rate:g} ends best, at {by.written(final[top])}; without dropout it is "
        f"{by.written(final[0])}.",
        "Blue: each placement at its best rate; grey: no dropout. Solid: test; dotted: training.",
    )


def _panels(names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    figure, shown = panels(len(names), 2, WIDTH / 2, 1.6, sharex=True, sharey=True)
    for axes, name in zip(shown, names, strict=True):
        axes.set_title(fold(name, 27))
    return figure, shown


def _worst(none: float, by: Measure) -> float:
    """That is shown."""
    return none - BELOW if by is ACCURACY else 2 * none


def _limit(axes: Axes, values: np.ndarray, by: Measure) -> None:
    """From the first, that of no dropout, as far as there are numbers: an error may diverge."""
    finite, worst = values[np.isfinite(values)], _worst(values[0], by)
    if np.isfinite(worst) and by is ACCURACY:
        axes.set_ylim(max(finite.min(), worst) - 1, min(finite.max() + 1.5, 100.5))
    elif np.isfinite(worst):
        axes.set_ylim(0, 1.05 * max(min(finite.max(), worst), 1e-9))
