"""The figures of a study: what the claim says, and all arms."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.colours import AMBER, BLUE, GREY, PALE, RED
from experiments.report.figures import WIDTH, fold, in_style, picture, points
from experiments.report.intervals import Interval
from experiments.report.page import Picture
from experiments.report.verdict import Verdict
from experiments.studies.claim import Finding
from experiments.studies.design import ACCURACY, Design, Term
from experiments.studies.results import Result, Results
from experiments.studies.tables import scope
from experiments.words import counted

MARKS = {
    Verdict.SUPPORTED: (BLUE, "o"),
    Verdict.REFUTED: (RED, "s"),
    Verdict.NO_DIFFERENCE: (AMBER, "D"),
    Verdict.OPEN: (GREY, "v"),
}
MEASURES = {ACCURACY: "test accuracy (%)", "test NLL": "test NLL (nats)"}
LETTERS, NAME = 56, 24
"""Of a line of words above an interval, and of an arm's name beside one."""


def on_row(axes: Axes, row: int, spread: Interval, words: str, colour: str, marker: str) -> None:
    """An interval along x, with words above it; rows are counted downwards."""
    points(axes, row, spread, flat=True, color=colour, fmt=marker, markersize=6)
    style = {"xycoords": ("axes fraction", "data"), "fontsize": 8.5, "va": "bottom"}
    axes.annotate(words, (0, row - 0.2), **style)


def in_rows(axes: Axes, count: int, label: str) -> None:
    """Of so many intervals."""
    axes.set(ylim=(count - 0.6, -0.85), yticks=[], xlabel=label)
    axes.spines["left"].set_visible(False)


def labelled(figure: Figure, shown: Sequence[Axes], x: str, y: str) -> None:
    """Names of what panels in two columns share; of x below the lowest."""
    for axes in shown[-2:]:
        axes.set_xlabel(x)
    figure.supylabel(y, fontsize=8.5)


@in_style()
def contrasts(headline: str, findings: Sequence[Finding], caption: str) -> Picture:
    """Each part of the claim with its interval, on one scale for each unit."""
    units: dict[str, list[Finding]] = {}
    for finding in findings:
        units.setdefault(finding.unit, []).append(finding)
    lines = [1 + max(_words(one).count("\n") for one in group) for group in units.values()]
    counts = [len(group) for group in units.values()]
    heights = [count * (0.3 + 0.17 * n) for count, n in zip(counts, lines, strict=True)]
    figure, rows = _stacked(heights, 0.9)
    for (axes,), (unit, group) in zip(rows, units.items(), strict=True):
        _contrasts(axes, unit, group)
    return picture(
        headline,
        figure,
        f"{scope(findings)} Means and intervals that hold together at 95 % "
        f"({100 * findings[0].level:.2f} % each). {caption}",
        _of_parts(units),
        "Grey: too small a difference to matter, or where hardly any is claimed.",
    )


def _stacked(heights: Sequence[float], more: float, columns: int = 1) -> tuple[Figure, Any]:
    """Rows of panels of such heights in inches, with room for titles."""
    size = (WIDTH, more + sum(heights) + 0.45 * len(heights))
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)


def _of_parts(units: Mapping[str, Sequence[Finding]]) -> str:
    """How many came out how, and of each unit the least and the most."""
    every = [one for group in units.values() for one in group]
    counts = Counter(one.verdict.value for one in every)
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    ends = "; ".join(_ends(group) for group in units.values())
    return f"{counted(len(every), 'part')} of the claim with intervals: {said}; {ends}."


def _ends(group: Sequence[Finding]) -> str:
    least, most = (end(group, key=lambda one: one.mean) for end in (min, max))
    if least is most:
        return f"{least.contrast.words}: {least.in_unit}"
    low, high = (f"{one.in_unit} ({one.contrast.words})" for one in (least, most))
    return f"from {low} to {high}"


def _contrasts(axes: Axes, unit: str, group: Sequence[Finding]) -> None:
    for row, finding in enumerate(group):
        axes.barh(row, np.diff(finding.same)[0], 0.36, finding.same[0], color=PALE)
        axes.vlines(0, row - 0.18, row + 0.18, color=GREY, linewidth=0.8)
        on_row(axes, row, finding.interval, _words(finding), *MARKS[finding.verdict])
    in_rows(axes, len(group), f"difference ({unit})")
    axes.locator_params(axis="x", nbins=6)


def _words(finding: Finding) -> str:
    """What is claimed, and what came out."""
    found = f"{finding.text}: {finding.verdict.value} (claimed: {finding.bounds})"
    return f"{fold(finding.contrast.words, LETTERS)}\n{found}"


def distinct(design: Design, results: Results, title: str) -> dict[str, int]:
    """The arms of a case, equal ones once."""
    each = {name: [row] for row, name in enumerate(design.cases[title].arms)}
    return {name: row for name, (row,) in results[title].distinct(each).items()}


@in_style()
def arms(design: Design, results: Results, caption: str) -> Picture:
    """Test accuracy and loss of every arm, a panel a case; arms that came out equal are one."""
    shown = {title: distinct(design, results, title) for title in design.cases}
    heights = [_places(rows)[1] for rows in shown.values()]
    figure, pairs = _stacked(heights, 1.3, columns=2)
    for pair, (title, rows) in zip(pairs, shown.items(), strict=True):
        for axes, measure in zip(pair, MEASURES, strict=True):
            _arms(axes, results[title], measure, rows)
        pair[0].set_title(title, fontweight="bold")
        pair[1].tick_params(labelleft=False)
    for axes, label in zip(pairs[-1], MEASURES.values(), strict=True):
        axes.set_xlabel(label)
    note = "Means, and 95 % intervals of their difference to the first arm, the line."
    title, seen = _best_and_worst(shown, results)
    return picture(title, figure, f"Means over seeds. {caption}", seen, note)


def _places(rows: Iterable[str]) -> tuple[np.ndarray, float]:
    """Where rows stand whose names have some lines, and how high all are, in inches."""
    heights = np.array([0.25 + 0.14 * fold(name, NAME).count("\n") for name in rows])
    return heights.cumsum() - heights / 2, float(heights.sum())


def _best_and_worst(shown: Mapping[str, Mapping[str, int]], results: Results) -> tuple[str, str]:
    """In words the most accurate arm; and how far it and the least accurate are from the first."""
    means = {
        (title, name): float(np.mean(results[title].final[ACCURACY][:, row]))
        for title, rows in shown.items()
        for name, row in rows.items()
    }

    def said(mean: float) -> str:
        equal = (which for which in means if means[which] == mean)
        names = (f"{name}{f' ({title})' * (len(shown) > 1)}" for title, name in equal)
        return f"{' and '.join(names)}, {mean:.1f} %"

    def beside(title: str, name: str) -> str:
        rows = shown[title]
        difference = results[title].interval(ACCURACY, rows[name], to_first=True)
        against = f", {difference.text('.2f', '+')} points against {next(iter(rows))}"
        return said(means[title, name]) + against * (rows[name] > 0)

    best, worst = (end(means, key=lambda which: means[which]) for end in (max, min))
    arms = counted(len(means), "arm")
    seen = f"Accuracy and loss of {arms}. Best: {beside(*best)}. Worst: {beside(*worst)}."
    return f"Highest mean test accuracy: {said(means[best])}", seen


def _arms(axes: Axes, result: Result, measure: str, rows: Mapping[str, int]) -> None:
    kept = list(rows.values())
    half = result.interval(measure, kept, to_first=True).half
    half[0] = 0
    spread = Interval(np.asarray(result.final[measure])[:, kept].mean(0), half)
    places, height = _places(rows)
    points(axes, places, spread, True, Term("", "", measure).possible, color=BLUE)
    axes.axvline(spread.mean[0], color=GREY, linewidth=0.8)
    axes.set_yticks(places, [fold(name, NAME) for name in rows])
    axes.set_ylim(height, 0)
    axes.locator_params(axis="x", nbins=3)
