"""The curves of a comparison, a panel for each placement; equal ones are drawn once."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.colours import BLUE, GREY
from experiments.report.figures import (
    PER_CENT,
    POSITIVE,
    WIDTH,
    curve,
    fold,
    in_style,
    panels,
    picture,
    points,
)
from experiments.report.intervals import Interval, interval
from experiments.report.page import Picture
from experiments.studies.compare.design import Point
from experiments.studies.compare.measure import ACCURACY, Measure
from experiments.studies.results import Result

Placed = Mapping[str, Sequence[int]]
"""The arms of each placement; placements that came out equal are one, of both names."""
BELOW = 10
"""So many points below no dropout are shown; of errors twice those without it."""


def placed(grid: Sequence[Point], result: Result) -> Placed:
    """From a grid."""
    arms: dict[str, list[int]] = {}
    for arm, point in enumerate(grid[1:], 1):
        arms.setdefault(point.placement, []).append(arm)
    return result.distinct(arms)


@in_style()
def scores(grid: Sequence[Point], result: Result, caption: str, by: Measure = ACCURACY) -> Picture:
    """What is measured against rate, beside what no dropout gives."""
    name, rows = f"test {by.name}", placed(grid, result)
    spread = interval(result.final[name], table=result.images[name])
    figure, shown = _panels(rows, by)
    for axes, arms in zip(shown, rows.values(), strict=True):
        _scores(axes, [grid[arm].rate for arm in arms], spread, arms, by)
    _limit(shown[0], spread.mean, by)
    arms = {arm: placement for placement, row in rows.items() for arm in row}
    best = _best(spread.mean, list(arms), by)
    most = "Highest" if by.sign > 0 else "Lowest"
    title = (
        f"{most} mean test {by.name}: {spread.mean[best]:{by.digits}}{by.of} with {arms[best]} at "
        f"rate {grid[best].rate:g}; without dropout {spread.mean[0]:{by.digits}}{by.of}"
    )
    note = "Blue: means and 95 % intervals; grey: no dropout. What is far worse is cut off."
    return _labelled(title, figure, shown, ("dropout rate", f"{name}{by.unit}"), caption, note)


def _scores(
    axes: Axes, rates: Sequence[float], spread: Interval, arms: Sequence[int], by: Measure
) -> None:
    none, reach = spread.mean[0], np.nan_to_num(spread.half)[0]
    axes.axhspan(none - reach, none + reach, color=GREY, alpha=0.2, linewidth=0)
    axes.axhline(none, color=GREY)
    shown = Interval(spread.mean[arms], spread.half[arms])
    points(axes, rates, shown, within=_possible(by), fmt="o-", color=BLUE, linewidth=1)
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])


@in_style()
def curves(grid: Sequence[Point], result: Result, caption: str, by: Measure = ACCURACY) -> Picture:
    """What is measured against epoch: of each placement its best rate, beside no dropout."""
    rows, final, gaps = placed(grid, result), result.final[f"test {by.name}"].mean(0), by.gap
    best = {placement: _best(final, arms, by) for placement, arms in rows.items()}
    test, train = (result.course(f"{part} {by.name}") for part in ("test", "train"))
    figure, shown = _panels(
        {f"{name}, {grid[arm].rate:g}": [arm] for name, arm in best.items()}, by
    )
    for axes, arm in zip(shown, best.values(), strict=True):
        for row, colour in ((0, GREY), (arm, BLUE)):
            curve(axes, result.epochs, test[:, row], train[:, row], colour)
    _limit(shown[0], test[-1], by)
    gap = gaps(result.final).mean(0)
    least = min(best, key=lambda placement: np.nan_to_num(gap[best[placement]], nan=np.inf))
    title = (
        f"Training is ahead of test by {gap[0]:{by.gap_digits}} {by.points} without dropout, by "
        f"{gap[best[least]]:{by.gap_digits}} with {least} at rate {grid[best[least]].rate:g}"
    )
    note = "Blue: each placement at its best rate; grey: no dropout. Solid: test; dotted: training."
    names = "epoch", f"{by.name}{by.unit}"
    caption = f"{by.title} without dropout when measured, means over seeds. {caption}"
    return _labelled(title, figure, shown, names, caption, note)


def _panels(rows: Placed, by: Measure) -> tuple[Figure, list[Axes]]:
    figure, shown = panels(len(rows), 2, WIDTH / 2, 1.6, sharex=True, sharey=True)
    for axes, name in zip(shown, rows, strict=True):
        axes.set_title(fold(name, 30))
    return figure, shown


def _labelled(
    title: str, figure: Figure, shown: Sequence[Axes], names: tuple[str, str], *texts: str
) -> Picture:
    for axes in shown[-2:]:  # the lowest of each column
        axes.set_xlabel(names[0])
    figure.supylabel(names[1], fontsize=8.5)
    return picture(title, figure, *texts)


def _best(values: np.ndarray, arms: Sequence[int], by: Measure) -> int:
    return max(arms, key=lambda arm: np.nan_to_num(by.sign * values[arm], nan=-np.inf))


def _possible(by: Measure) -> tuple[float, float]:
    return PER_CENT if by is ACCURACY else POSITIVE


def _limit(axes: Axes, values: np.ndarray, by: Measure) -> None:
    """As far as there are numbers: an error may diverge."""
    finite, none = values[np.isfinite(values)], values[0]
    if not np.isfinite(none):
        return
    if by is ACCURACY:
        low, high = max(finite.min(), none - BELOW), finite.max()
        axes.set_ylim(low - 1, min(high + 1.5, 100.5))
    else:
        axes.set_ylim(0, 1.05 * min(finite.max(), 2 * none))
