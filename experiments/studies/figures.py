"""The figures of a study: what the claim says, all arms, and how they got there."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import GREY, curve, panels, picture, points
from experiments.report.intervals import interval
from experiments.report.page import Picture
from experiments.report.verdict import Verdict
from experiments.studies import claim
from experiments.studies.claim import Finding
from experiments.studies.design import Design
from experiments.studies.results import Result

COLOURS = {
    Verdict.SUPPORTED: "C0",
    Verdict.REFUTED: "C3",
    Verdict.NO_DIFFERENCE: "C1",
    Verdict.OPEN: GREY,
}
FAR = 1e9
"""Stands for a bound that there is not."""


def contrasts(findings: Sequence[Finding], caption: str) -> Picture:
    """Each part of the claim with its interval, and where it should lie."""
    figure = Figure(figsize=(9, 1.9 + 0.55 * len(findings)), layout="constrained")
    rows = figure.subplots(len(findings), 1, squeeze=False)[:, 0]
    for axes, finding in zip(rows, findings, strict=True):
        _contrast(axes, finding)
    figure.suptitle("What the claim says: it should lie in the shaded part")
    return picture(
        "what the claim says, with intervals",
        figure,
        f"{claim.scope(findings)} Means and intervals that hold together at 95 % "
        f"({100 * findings[0].level:.2f} % each): blue supported, red refuted, orange no "
        "difference, grey open. "
        f"Each row has its own scale. {caption}",
    )


def _contrast(axes: Axes, finding: Finding) -> None:
    mean, half = finding.interval.mean, np.nan_to_num(finding.interval.half)
    low, high = np.clip([finding.contrast.low, finding.contrast.high], -FAR, FAR)
    ends = [abs(mean) + half, *(abs(bound) for bound in (low, high) if abs(bound) < FAR)]
    reach = 1.15 * max(1e-6, *(end for end in ends if np.isfinite(end)), 0)
    axes.axvspan(low, high, color="C0", alpha=0.12, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    points(axes, 0, finding.interval, flat=True, color=COLOURS[finding.verdict])
    axes.set(xlim=(-reach, reach), ylim=(-1, 1))
    axes.set_yticks([0], [finding.contrast.words], fontsize=9)
    axes.tick_params(axis="x", labelsize=8)


def arms(design: Design, results: Mapping[str, Result], caption: str) -> Picture:
    """Test accuracy and loss of every arm, a panel a case."""
    heights = [len(case.arms) for case in design.cases.values()]
    size = (10, 1.8 + 0.26 * sum(heights) + 0.5 * len(results))
    figure = Figure(figsize=size, layout="constrained")
    pairs = figure.subplots(len(results), 2, squeeze=False, height_ratios=heights)
    for pair, (title, result) in zip(pairs, results.items(), strict=True):
        names = list(design.cases[title].arms)
        for axes, measure in zip(pair, ("test accuracy", "test NLL"), strict=True):
            _arms(axes, result, measure, names if axes is pair[0] else [])
        pair[0].set_title(title)
    pairs[-1, 0].set_xlabel("test accuracy (%)")
    pairs[-1, 1].set_xlabel("test NLL (nats)")
    return picture(
        "every arm's test accuracy and loss",
        figure,
        f"Means over seeds and 95 % intervals; the line is the first arm. {caption}",
    )


def _arms(axes: Axes, result: Result, measure: str, names: Sequence[str]) -> None:
    spread = interval(result.final[measure], table=result.images.get(measure))
    places = np.arange(len(spread.mean))
    points(axes, places, spread, flat=True)
    axes.axvline(spread.mean[0], color=GREY, linewidth=0.8)
    axes.set_yticks(places, names, fontsize=8)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=8)


def curves(design: Design, results: Mapping[str, Result], caption: str) -> Picture:
    """Loss against epoch, a panel a case and a line an arm."""
    columns = min(3, len(results))
    figure, shown = panels(len(results), columns, max(4, 6 / columns), 3.2)
    for axes, (title, result) in zip(shown, results.items(), strict=True):
        test, train = (result.course(f"{part} NLL") for part in ("test", "train"))
        for index, name in enumerate(design.cases[title].arms):
            style = {"label": name, "marker": ".", "markersize": 3}
            curve(axes, result.epochs, test[:, index], train[:, index], **style)
        axes.set(title=title, yscale="log", xlabel="epoch")
        axes.legend(fontsize=6, ncols=2)
    figure.supylabel("NLL (nats)")
    return picture(
        "learning curves",
        figure,
        f"Loss without dropout: test solid, train dotted, means over seeds. {caption}",
    )
