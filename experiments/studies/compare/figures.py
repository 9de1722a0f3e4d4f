"""The curves of a comparison, a panel for each placement; equal ones are drawn once."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.colours import BLUE, GREY
from experiments.report.figures import WIDTH, curve, fold, in_style, panels, picture, points
from experiments.report.intervals import Interval
from experiments.report.page import Picture
from experiments.studies.compare.design import Point
from experiments.studies.compare.measure import ACCURACY, Measure
from experiments.studies.compare.tables import Rows, Summary, equals
from experiments.studies.design import Term
from experiments.studies.results import Result
from experiments.words import counted

BELOW = 10
"""So many points below no dropout are shown; of errors twice those without it."""


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
    every = [one for row in rows.values() for one in row]
    best = max(every, key=lambda one: by.worth(one.score.mean))
    _limit(shown[0], np.array([none.score.mean, *(one.score.mean for one in every)]), by)
    title = (
        f"{by.most} mean test {by.name} with dropout: {best.score.mean:{by.digits}}{by.of}, "
        f"{equals(best, rows)}; without: {none.score.mean:{by.digits}}{by.of}"
    )
    worst = min(every, key=lambda one: by.worth(one.score.mean))
    seen = (
        f"A panel for each of {counted(len(rows), 'placement')}, by rate. The best differs from no "
        f"dropout by {best.difference.text(by.gap_digits, '+')} {by.points}; "
        f"worst is {equals(worst, rows)}: {worst.score.mean:{by.digits}}{by.of}."
    )
    note = (
        "Blue: means, and 95 % intervals of their difference to no dropout, the grey line. "
        "What is far worse is cut off."
    )
    return _labelled(
        title, figure, shown, ("dropout rate", f"test {by.name}{by.unit}"), caption, seen, note
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
    final, gap = by.test(result.final).mean(0), by.gap(result.final).mean(0)
    best = [max(arms, key=lambda arm: by.worth(final[arm])) for arms in placed.values()]
    names = dict(zip(best, placed, strict=True))
    test, train = (result.course(f"{part} {by.name}") for part in ("test", "train"))
    figure, shown = _panels([f"{name}, {points[arm].rate:g}" for arm, name in names.items()])
    for axes, arm in zip(shown, best, strict=True):
        curve(axes, result.epochs, test[:, [0, arm]], train[:, [0, arm]])
    ends = [test[-1, 0], _worst(test[-1, 0], by), *test[-1, best], *train[-1, [0, *best]]]
    _limit(shown[0], np.array(ends), by)
    least = min(best, key=lambda arm: np.nan_to_num(gap[arm], nan=np.inf))
    title = (
        f"Training ends {gap[0]:{by.gap_digits}} {by.points} ahead of test without dropout, "
        f"{gap[least]:{by.gap_digits}} with {names[least]} at rate {points[least].rate:g}"
    )
    note = "Blue: each placement at its best rate; grey: no dropout. Solid: test; dotted: training."
    top = max(best, key=lambda arm: by.worth(final[arm]))
    seen = (
        f"Test and training {by.name} by epoch, a panel for each of "
        f"{counted(len(best), 'placement')}. On the test {names[top]} at rate "
        f"{points[top].rate:g} ends best, at {final[top]:{by.digits}}{by.of}; without dropout it "
        f"is {final[0]:{by.digits}}{by.of}."
    )
    caption = f"{by.title} without dropout when measured, means over seeds. {caption}"
    return _labelled(title, figure, shown, ("epoch", f"{by.name}{by.unit}"), caption, seen, note)


def _panels(names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    figure, shown = panels(len(names), 2, WIDTH / 2, 1.6, sharex=True, sharey=True)
    for axes, name in zip(shown, names, strict=True):
        axes.set_title(fold(name, 27))
    return figure, shown


def _labelled(
    title: str, figure: Figure, shown: Sequence[Axes], names: tuple[str, str], *texts: str
) -> Picture:
    for axes in shown[-2:]:  # the lowest of each column
        axes.set_xlabel(names[0])
    figure.supylabel(names[1], fontsize=8.5)
    return picture(title, figure, *texts)


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
