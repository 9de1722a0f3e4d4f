"""The figures of a comparison, drawn without a screen; each caption says what was run."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import GREY, as_png
from experiments.report.intervals import Interval, interval
from experiments.studies.compare.placements import PLACEMENTS, Arm, Placement
from experiments.studies.compare.summary import Summary
from experiments.training.task import Metrics

STYLES = dict(zip(PLACEMENTS[1:], ("o-", "s-", "D-", "v--", "^-", "P-", "X-"), strict=True))
RATE_COLOURS = ("#a6cee3", "#5aa2cf", "#2c6fb0", "#7b3294", "#c51b7d", "#e66101", "#b35806")
COLUMNS = 4


def accuracy(arms: Sequence[Arm], final: Metrics, caption: str) -> bytes:
    """Test accuracy against rate, a line a placement: the whole range, and what is near none."""
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    spread = interval(100 * final.test_accuracy)
    whole, near = figure.subplots(1, 2)
    for axes in (whole, near):
        _accuracy_panel(axes, arms, spread)
    whole.set(title="the whole range", ylabel="test accuracy (%)", ylim=(0, 102))
    near.set(title="near no dropout", ylim=_near(spread))
    _legend(figure, whole, "Test accuracy by dropout placement and rate")
    return as_png(
        figure,
        f"{caption} Bars and the grey band: 95 % intervals of the mean over seeds. Points of one "
        "rate stand side by side, so that equal ones do not hide each other.",
    )


def _accuracy_panel(axes: Axes, arms: Sequence[Arm], spread: Interval) -> None:
    none, reach = spread.mean[0], np.nan_to_num(spread.half)
    axes.axhspan(none - reach[0], none + reach[0], color=GREY, alpha=0.2, linewidth=0)
    axes.axhline(none, color=GREY, label="none")
    names = _placements(arms)
    for order, name in enumerate(names):
        rows = _rows(arms, name)
        shift = 0.008 * (order - (len(names) - 1) / 2)
        rates = [arms[row].rate + shift for row in rows]
        style = {"fmt": STYLES[name], "color": f"C{order}", "markersize": 5, "capsize": 2}
        axes.errorbar(rates, spread.mean[rows], reach[rows], label=name, **style)
    axes.set(xlabel="dropout rate", xticks=sorted({arm.rate for arm in arms[1:]}))
    axes.grid(alpha=0.25)


def _near(spread: Interval) -> tuple[float, float]:
    """Twice as far below none as the best arm reaches above it, and at least two points."""
    best = int(spread.mean.argmax())
    top = spread.mean[best] + np.nan_to_num(spread.half)[best]
    none = spread.mean[0]
    return none - 2 * max(top - none, 1), min(top + 0.3, 100.3)


def curves(
    arms: Sequence[Arm], epochs: Sequence[int], history: Sequence[Metrics], caption: str
) -> bytes:
    """Accuracy against epoch, a panel a placement and a line a rate."""
    names = _placements(arms)
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(13, 3.1 * rows + 1.6), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    train = 100 * np.stack([metrics.train_accuracy.mean(0) for metrics in history])
    test = 100 * np.stack([metrics.test_accuracy.mean(0) for metrics in history])
    for axes, name in zip(grid.flat, names, strict=False):
        _curves_panel(axes, arms, name, epochs, train, test)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes in grid.flat[max(len(names) - COLUMNS, 0) : len(names)]:  # the lowest of each column
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    grid.flat[0].set_ylim(min(test[0, 0], test[-1, 0] - 10) - 2, 100.5)
    figure.supylabel("accuracy (%)")
    _legend(figure, grid.flat[0], "Learning curves by dropout placement and rate")
    return as_png(
        figure,
        f"Accuracy against epoch, without dropout when measured: test solid, train dotted, means "
        f"over seeds; values far below none are cut off. {caption}",
    )


def _curves_panel(
    axes: Axes,
    arms: Sequence[Arm],
    name: str,
    epochs: Sequence[int],
    train: np.ndarray,
    test: np.ndarray,
) -> None:
    rates = sorted({arm.rate for arm in arms[1:]})
    for row in [0, *_rows(arms, name)]:
        colour = RATE_COLOURS[rates.index(arms[row].rate) % len(RATE_COLOURS)] if row else GREY
        label = f"rate {arms[row].rate:g}" if row else "none"
        axes.plot(epochs, test[:, row], color=colour, label=label)
        axes.plot(epochs, train[:, row], color=colour, linestyle=":", linewidth=1)
    axes.set(title=name)
    axes.grid(alpha=0.25)


def differences(summaries: Sequence[Summary], caption: str) -> bytes:
    """Every arm's paired difference to none with its interval, best on top."""
    shown = [summary for summary in summaries if summary.arm.placement != "none"][::-1]
    figure = Figure(figsize=(9, 1.8 + 0.24 * len(shown)), layout="constrained")
    axes = figure.subplots()
    means = np.array([summary.difference.mean for summary in shown])
    halves = np.nan_to_num([summary.difference.half for summary in shown])
    axes.axvline(0, color=GREY)
    axes.errorbar(means, np.arange(len(shown)), xerr=halves, fmt="o", markersize=4, capsize=2)
    labels = [f"{summary.arm.placement} {summary.arm.rate:g}" for summary in shown]
    axes.set(xlabel="test accuracy against none (percentage points)", xscale="symlog")
    axes.set_yticks(np.arange(len(shown)), labels, fontsize=8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.25, axis="x")
    axes.set_title("Paired differences to no dropout")
    return as_png(
        figure, f"Means over seeds and 95 % intervals; linear from -1 to 1, then log. {caption}"
    )


def _placements(arms: Sequence[Arm]) -> list[Placement]:
    return list(dict.fromkeys(arm.placement for arm in arms[1:]))


def _rows(arms: Sequence[Arm], name: str) -> list[int]:
    return [index for index, arm in enumerate(arms) if arm.placement == name]


def _legend(figure: Figure, axes: Axes, title: str) -> None:
    """One legend for all panels, whose title is the figure's."""
    handles, labels = axes.get_legend_handles_labels()
    place = {"loc": "outside upper center", "ncols": 8, "frameon": False}
    figure.legend(handles, labels, title=title, title_fontsize=14, **place)
