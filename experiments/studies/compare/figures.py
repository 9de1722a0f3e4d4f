"""The figures of a comparison, drawn without a screen; each caption says what was run."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import GREY, curve, legend, panels, picture, points
from experiments.report.intervals import Interval, interval
from experiments.report.page import Picture
from experiments.studies.compare.design import Point
from experiments.studies.compare.measure import ACCURACY, Measure
from experiments.studies.compare.tables import Summary
from experiments.studies.results import Result

STYLES = ("o-", "s-", "D-", "v--", "^-", "P-", "X-")
RATE_COLOURS = ("#a6cee3", "#5aa2cf", "#2c6fb0", "#7b3294", "#c51b7d", "#e66101", "#b35806")


def scores(grid: Sequence[Point], result: Result, caption: str, by: Measure = ACCURACY) -> Picture:
    """What is measured against rate, a line a placement: the whole range, and what is near none."""
    figure, (whole, near) = panels(2, 2, 6, 5.3)
    name = f"test {by.name}"
    spread = interval(result.final[name], table=result.images[name])
    for axes in (whole, near):
        _scores(axes, grid, spread)
    whole.set(title="the whole range", ylabel=f"test {by.name}{by.unit}")
    if by is ACCURACY:
        whole.set_ylim(0, 102)
    near.set_title("near no dropout")
    _limit(near, *_near(spread, by))
    legend(figure, whole, f"Test {by.name} by dropout placement and rate")
    return picture(
        f"test {by.name} against the rate, a line for each placement",
        figure,
        f"{caption} Bars and the grey band: 95 % intervals. Points of one "
        "rate stand side by side, so that equal ones do not hide each other.",
    )


def _scores(axes: Axes, grid: Sequence[Point], spread: Interval) -> None:
    none, reach = spread.mean[0], np.nan_to_num(spread.half)[0]
    axes.axhspan(none - reach, none + reach, color=GREY, alpha=0.2, linewidth=0)
    axes.axhline(none, color=GREY, label="none")
    placements = _placements(grid)
    for order, (name, rows) in enumerate(placements.items()):
        shift = (order - (len(placements) - 1) / 2) * 0.056 / max(len(placements), 7)
        marked = STYLES[order % len(STYLES)]
        style = {"fmt": marked, "color": f"C{order}", "markersize": 5, "label": name}
        shown = Interval(spread.mean[rows], spread.half[rows])
        points(axes, [grid[row].rate + shift for row in rows], shown, **style)
    axes.set(xlabel="dropout rate", xticks=sorted({point.rate for point in grid[1:]}))


def _near(spread: Interval, by: Measure) -> tuple[float, float]:
    """Twice as far on the worse side of none as the best arm reaches on the better."""
    best = int(np.nan_to_num(by.sign * spread.mean, nan=-np.inf).argmax())
    top = spread.mean[best] + by.sign * np.nan_to_num(spread.half)[best]
    none = spread.mean[0]
    if by is ACCURACY:  # at least two points below, and no more than there can be
        return none - 2 * max(top - none, 1), min(top + 0.3, 100.3)
    reach = max(none - top, 0.05 * none)
    return top - 0.1 * reach, none + 2 * reach


def _limit(axes: Axes, low: float, high: float) -> None:
    """As far as there are numbers: an error may diverge."""
    if np.isfinite([low, high]).all():
        axes.set_ylim(low, high)


def curves(grid: Sequence[Point], result: Result, caption: str, by: Measure = ACCURACY) -> Picture:
    """What is measured against epoch, a panel a placement and a line a rate."""
    placements, rates = _placements(grid), sorted({point.rate for point in grid[1:]})
    figure, shown = panels(len(placements), 4, 3.25, 3.2, sharex=True, sharey=True)
    test, train = (result.course(f"{part} {by.name}") for part in ("test", "train"))
    for axes, (name, rows) in zip(shown, placements.items(), strict=True):
        for row in [0, *rows]:
            colour = RATE_COLOURS[rates.index(grid[row].rate) % len(RATE_COLOURS)] if row else GREY
            label = f"rate {grid[row].rate:g}" if row else "none"
            curve(axes, result.epochs, test[:, row], train[:, row], color=colour, label=label)
        axes.set_title(name, fontsize=min(12, 360 / len(name)))
    for axes in shown[-4:]:  # the lowest of each column
        axes.set_xlabel("epoch")
    bottom, top = 0.0, 1.1 * max(test[0, 0], test[-1, 0])
    if by is ACCURACY:
        bottom, top = min(test[0, 0], test[-1, 0] - 10) - 2, 100.5
    _limit(shown[0], bottom, top)
    figure.supylabel(f"{by.name}{by.unit}")
    legend(figure, shown[0], "Learning curves by dropout placement and rate")
    return picture(
        f"{by.name} against the epoch, a panel for each placement",
        figure,
        f"{by.title} against epoch, without dropout when measured: test solid, train dotted, "
        f"means over seeds; values far worse than none's are cut off. {caption}",
    )


def differences(summaries: Sequence[Summary], caption: str, by: Measure = ACCURACY) -> Picture:
    """Every arm's paired difference to none with its interval, best on top."""
    shown = [summary for summary in summaries if summary.point.placement != "none"][::-1]
    figure = Figure(figsize=(9, 1.8 + 0.24 * len(shown)), layout="constrained")
    axes, places = figure.subplots(), np.arange(len(shown))
    spread = Interval(*np.array([summary.difference for summary in shown]).T)
    axes.axvline(0, color=GREY)
    points(axes, places, spread, flat=True)
    labels = [f"{summary.point.placement} {summary.point.rate:g}" for summary in shown]
    axes.set(xlabel=f"test {by.name} against none ({by.points})")
    if by is ACCURACY:
        axes.set_xscale("symlog", linthresh=1)
    axes.set_yticks(places, labels, fontsize=8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title("Paired differences to no dropout")
    return picture(
        "each arm's difference to no dropout, with its interval",
        figure,
        "Means over seeds and 95 % intervals; "
        f"linear{' from -1 to 1, then log' if by is ACCURACY else ''}. {caption}",
    )


def _placements(grid: Sequence[Point]) -> dict[str, list[int]]:
    """The arms of each."""
    arms: dict[str, list[int]] = {}
    for arm, point in enumerate(grid[1:], 1):
        arms.setdefault(point.placement, []).append(arm)
    return arms
