"""The figures of a study: what the claim says, all arms, and how they got there."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.colours import AMBER, BLUE, GREY, PALE, RED
from experiments.report.figures import (
    PER_CENT,
    POSITIVE,
    WIDTH,
    curve,
    fold,
    in_style,
    logarithmic,
    panels,
    picture,
    points,
)
from experiments.report.intervals import Interval, interval
from experiments.report.page import Picture
from experiments.report.verdict import Verdict
from experiments.studies import claim
from experiments.studies.claim import Finding
from experiments.studies.design import Design
from experiments.studies.results import Result

MARKS = {
    Verdict.SUPPORTED: (BLUE, "o"),
    Verdict.REFUTED: (RED, "s"),
    Verdict.NO_DIFFERENCE: (AMBER, "D"),
    Verdict.OPEN: (GREY, "v"),
}
ACCURACY = "test accuracy"
MEASURES = {
    ACCURACY: ("test accuracy (%)", PER_CENT),
    "test NLL": ("test NLL (nats)", POSITIVE),
}
LETTERS, NAME = 56, 24
"""Of a line of words above an interval, and of an arm's name beside one."""
MOST = 12
"""Arms whose curves are shown."""
Results = Mapping[str, Result]


@in_style()
def contrasts(headline: str, findings: Sequence[Finding], caption: str) -> Picture:
    """Each part of the claim with its interval, on one scale for each unit."""
    units: dict[str, list[Finding]] = {}
    for finding in findings:
        units.setdefault(finding.unit, []).append(finding)
    lines = [1 + max(_words(one).count("\n") for one in group) for group in units.values()]
    heights = [
        len(group) * (0.3 + 0.17 * n) for n, group in zip(lines, units.values(), strict=True)
    ]
    size = (WIDTH, 0.9 + sum(heights) + 0.45 * len(units))
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(len(units), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (unit, group) in zip(rows, units.items(), strict=True):
        _contrasts(axes, unit, group)
    return picture(
        headline,
        figure,
        f"{claim.scope(findings)} Means and intervals that hold together at 95 % "
        f"({100 * findings[0].level:.2f} % each). {caption}",
        "Grey: too small a difference to matter, or where hardly any is claimed.",
    )


def _contrasts(axes: Axes, unit: str, group: Sequence[Finding]) -> None:
    for row, finding in enumerate(group):
        axes.barh(row, np.diff(finding.same)[0], 0.36, finding.same[0], color=PALE)
        axes.vlines(0, row - 0.18, row + 0.18, color=GREY, linewidth=0.8)
        colour, marker = MARKS[finding.verdict]
        points(axes, row, finding.interval, flat=True, color=colour, fmt=marker, markersize=6)
        style = {"xycoords": ("axes fraction", "data"), "fontsize": 8.5, "va": "bottom"}
        axes.annotate(_words(finding), (0, row - 0.2), **style)
    axes.set(ylim=(len(group) - 0.6, -0.85), yticks=[], xlabel=f"difference ({unit})")
    axes.locator_params(axis="x", nbins=6)
    axes.spines["left"].set_visible(False)


def _words(finding: Finding) -> str:
    """What is claimed, and what came out."""
    found = f"{finding.text}: {finding.verdict.value} (claimed: {finding.bounds})"
    return f"{fold(finding.contrast.words, LETTERS)}\n{found}"


def _distinct(design: Design, results: Results, title: str) -> dict[str, int]:
    """The arms of a case, equal ones once."""
    each = {name: [row] for row, name in enumerate(design.cases[title].arms)}
    return {name: row for name, (row,) in results[title].distinct(each).items()}


@in_style()
def arms(design: Design, results: Results, caption: str) -> Picture:
    """Test accuracy and loss of every arm, a panel a case; arms that came out equal are one."""
    shown = {title: _distinct(design, results, title) for title in design.cases}
    heights = [_places(rows)[1] for rows in shown.values()]
    size = (WIDTH, 1.3 + sum(heights) + 0.45 * len(results))
    figure = Figure(figsize=size, layout="constrained")
    pairs = figure.subplots(len(results), 2, squeeze=False, height_ratios=heights)
    for pair, (title, rows) in zip(pairs, shown.items(), strict=True):
        for axes, measure in zip(pair, MEASURES, strict=True):
            _arms(axes, results[title], measure, rows)
        pair[0].set_title(title, fontweight="bold")
        pair[1].tick_params(labelleft=False)
    for axes, (label, _) in zip(pairs[-1], MEASURES.values(), strict=True):
        axes.set_xlabel(label)
    note = "Means, and 95 % intervals of their difference to the first arm, the line."
    return picture(_highest(shown, results), figure, f"Means over seeds. {caption}", note)


def _places(rows: Iterable[str]) -> tuple[np.ndarray, float]:
    """Where rows stand whose names have some lines, and how high all are, in inches."""
    heights = np.array([0.25 + 0.14 * fold(name, NAME).count("\n") for name in rows])
    return heights.cumsum() - heights / 2, float(heights.sum())


def _highest(shown: Mapping[str, Mapping[str, int]], results: Results) -> str:
    """In words the most accurate arm of all."""
    means = {
        (title, name): float(np.mean(results[title].final[ACCURACY][:, row]))
        for title, rows in shown.items()
        for name, row in rows.items()
    }
    case, arm = max(means, key=lambda which: means[which])
    where = f" ({case})" * (len(shown) > 1)
    return f"Highest mean test accuracy: {arm}{where}, {means[case, arm]:.1f} %"


def _arms(axes: Axes, result: Result, measure: str, rows: Mapping[str, int]) -> None:
    kept, table = list(rows.values()), result.images.get(measure)
    final = np.asarray(result.final[measure])[:, kept]
    paired = None if table is None else table[:, kept] - table[:, :1]
    half = interval(final - final[:, :1], table=paired).half
    half[0] = 0
    spread = Interval(final.mean(0), half)
    places, height = _places(rows)
    points(axes, places, spread, True, MEASURES[measure][1], color=BLUE)
    axes.axvline(spread.mean[0], color=GREY, linewidth=0.8)
    axes.set_yticks(places, [fold(name, NAME) for name in rows])
    axes.set_ylim(height, 0)
    axes.locator_params(axis="x", nbins=3)


@in_style()
def curves(design: Design, results: Results, caption: str) -> Picture:
    """Loss against epoch: a panel for each arm, beside the first of its case."""
    compared = _compared(design, results)
    figure, shown = panels(len(compared), 2, WIDTH / 2, 1.5, sharex=True)
    for axes, (title, name, row) in zip(shown, compared, strict=True):
        result, arms = results[title], [0, row]
        test, train = (result.course(f"{part} NLL") for part in ("test", "train"))
        curve(axes, result.epochs, test[:, arms], train[:, arms])
        logarithmic(axes, 0.6 * test.min(), 1.5 * test[len(test) // 5].max())  # of the whole case
        axes.set_title(fold(f"{title}: {name}" if len(results) > 1 else name, 27))
    for axes in shown[-2:]:
        axes.set_xlabel("epoch")
    figure.supylabel("NLL (nats)", fontsize=8.5)
    first = " or ".join(dict.fromkeys(next(iter(case.arms)) for case in design.cases.values()))
    return picture(
        _gap(design, compared, results),
        figure,
        f"Loss without dropout, means over seeds. Of more than {MOST} arms the most accurate of "
        f"each case are shown. {caption}",
        f"Blue: the arm; grey: {first}. Solid: test; dotted: training. What is far off is cut off.",
    )


def _compared(design: Design, results: Results) -> list[tuple[str, str, int]]:
    """Case, name and number of each arm but the first; of too many the best of each case."""
    found = []
    for title in design.cases:
        arms = list(_distinct(design, results, title).items())[1:] or [("none else", 0)]
        found.append([(title, name, row) for name, row in arms])
    if sum(map(len, found)) > MOST:
        most = max(1, MOST // len(found))
        found = [_best(results, arms, most) for arms in found]
    return list(itertools.chain(*found))


def _best(
    results: Results, arms: Sequence[tuple[str, str, int]], most: int
) -> list[tuple[str, str, int]]:
    """So many, in their order."""
    accuracy = [float(results[case].final[ACCURACY][:, row].mean()) for case, _, row in arms]
    return [arms[index] for index in sorted(np.argsort(accuracy)[::-1][:most])]


def _gap(design: Design, compared: Sequence[tuple[str, str, int]], results: Results) -> str:
    """In words how much the first arm overfits, and the one that gains most on it."""

    def gap(title: str, row: int) -> float:
        test, train = (results[title].final[f"{part} NLL"][:, row] for part in ("test", "train"))
        return float(np.mean(test - train))

    title, name, row = min(compared, key=lambda it: gap(it[0], it[2]) - gap(it[0], 0))
    where, first = f" ({title})" * (len(results) > 1), next(iter(design.cases[title].arms))
    return (
        f"Gap from training to test loss: {gap(title, 0):.2g} nats with {first}, "
        f"{gap(title, row):.2g} with {name}{where}"
    )
