"""The figures of a study: what the claim says, all arms, and how they got there."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.report.figures import GREY, as_png
from experiments.report.intervals import interval
from experiments.report.verdict import Verdict
from experiments.studies.claim import Finding, level
from experiments.studies.design import Design
from experiments.studies.results import Result

COLOURS = {Verdict.SUPPORTED: "C0", Verdict.REFUTED: "C3", Verdict.UNDECIDED: GREY}
COLUMNS = 3


def contrasts(found: Sequence[Finding], caption: str) -> bytes:
    """Each part of the claim with its interval, and where it should lie."""
    figure = Figure(figsize=(9, 1.9 + 0.55 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), 1, squeeze=False)[:, 0]
    for axes, finding in zip(panels, found, strict=True):
        mean, half = finding.interval.mean, np.nan_to_num(finding.interval.half)
        low, high = np.clip([finding.contrast.low, finding.contrast.high], -1e9, 1e9)
        reach = 1.15 * max(abs(mean) + half, *(abs(b) for b in (low, high) if abs(b) < 1e9), 1e-6)
        axes.axvspan(low, high, color="C0", alpha=0.12, linewidth=0)
        axes.axvline(0, color=GREY, linewidth=0.8)
        style = {"fmt": "o", "markersize": 5, "capsize": 3, "color": COLOURS[finding.verdict]}
        axes.errorbar(mean, 0, xerr=half, **style)
        axes.set(xlim=(-reach, reach), ylim=(-1, 1))
        axes.set_yticks([0], [finding.contrast.words], fontsize=9)
        axes.tick_params(axis="x", labelsize=8)
    figure.suptitle("What the claim says: it should lie in the shaded part")
    return as_png(
        figure,
        "Differences paired by seed, means and intervals that hold together at 95 % "
        f"({100 * level(len(found)):.2f} % each): blue supported, red refuted, grey open. "
        f"Each row has its own scale. {caption}",
    )


def arms(design: Design, results: Mapping[str, Result], caption: str) -> bytes:
    """Test accuracy and loss of every arm, a panel a case."""
    rows = sum(len(case.arms) for case in design.cases.values())
    figure = Figure(figsize=(10, 1.8 + 0.26 * rows + 0.5 * len(results)), layout="constrained")
    heights = [len(case.arms) for case in design.cases.values()]
    panels = figure.subplots(len(results), 2, squeeze=False, height_ratios=heights)
    for pair, (title, result) in zip(panels, results.items(), strict=True):
        names = list(design.cases[title].arms)
        for axes, measure in zip(pair, ("test accuracy", "test NLL"), strict=True):
            found, places = interval(np.asarray(result.final[measure])), np.arange(len(names))
            half = np.nan_to_num(found.half)
            axes.errorbar(found.mean, places, xerr=half, fmt="o", markersize=4, capsize=2)
            axes.axvline(found.mean[0], color=GREY, linewidth=0.8)
            axes.set_yticks(places, names if axes is pair[0] else [], fontsize=8)
            axes.set(ylim=(len(names) - 0.5, -0.5), title=title if axes is pair[0] else "")
            axes.grid(alpha=0.25, axis="x")
            axes.tick_params(axis="x", labelsize=8)
    panels[-1, 0].set_xlabel("test accuracy (%)")
    panels[-1, 1].set_xlabel("test NLL (nats)")
    return as_png(
        figure, f"Means over seeds and 95 % intervals; the line is the first arm. {caption}"
    )


def curves(design: Design, results: Mapping[str, Result], caption: str) -> bytes:
    """Loss against epoch, a panel a case and a line an arm."""
    columns = min(COLUMNS, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(max(6, 4 * columns), 3.2 * rows + 1.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, (title, result) in zip(panels.flat, results.items(), strict=False):
        for index, name in enumerate(design.cases[title].arms):
            test, train = (
                [np.asarray(table[f"{half} NLL"])[:, index].mean() for table in result.history]
                for half in ("test", "train")
            )
            (line,) = axes.plot(result.epochs, test, label=name, marker=".", markersize=3)
            axes.plot(result.epochs, train, ":", color=line.get_color(), linewidth=1)
        axes.set(title=title, yscale="log", xlabel="epoch")
        axes.legend(fontsize=6, ncols=2)
        axes.grid(alpha=0.25)
    for axes in panels.flat[len(results) :]:
        axes.set_axis_off()
    figure.supylabel("NLL (nats)")
    return as_png(
        figure, f"Loss without dropout: test solid, train dotted, means over seeds. {caption}"
    )
