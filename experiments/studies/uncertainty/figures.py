"""The figures: reliability, entropies, rejection, number of samples, regression."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from scipy.special import entr

from experiments.report.colours import BLUE, GREEN, GREY, INK, RED
from experiments.report.figures import WIDTH, in_style, panels, picture
from experiments.report.intervals import interval
from experiments.report.page import Picture
from experiments.studies.uncertainty.claim import PRIMARY
from experiments.studies.uncertainty.measure import ARMS, TITLES, ByArm, Passes
from experiments.studies.uncertainty.regression import GRID, Curves, growth
from jaxdrop import montecarlo

COLOURS: dict[str, str] = dict(zip(ARMS, (GREY, BLUE, RED), strict=True))
SETS = ("test", "corrupted", "unseen")
SET_COLOURS = (GREEN, GREY, RED)
BINS = 10
ASKED = 20  # percent rejected: of which the title tells
SHOWN = 95  # percent rejected: of what is kept beyond, too little is left to tell
Seeds = Sequence[Mapping[str, Passes]]  # of each seed and arm the mean over passes


@in_style()
def reliability(seeds: Seeds, labels: np.ndarray, caption: str) -> Picture:
    """Accuracy against confidence: below the diagonal a network is too sure."""
    figure, both = panels(2, 2, WIDTH / 2, 2.6, sharey=True)
    too_sure = {}
    for axes, name in zip(both, SETS, strict=False):
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for arm in ARMS:
            pooled = np.concatenate([getattr(seed[arm], name)[0] for seed in seeds])
            _reliability(axes, arm, pooled, np.tile(labels, len(seeds)))
            right = pooled.argmax(-1) == np.tile(labels, len(seeds))
            too_sure[arm] = 100 * float(np.mean(pooled.max(-1) - right))
        axes.set(title=f"{name} digits", xlabel="confidence", xlim=(0, 1.02), ylim=(0, 1.02))
        axes.grid(alpha=0.25)
    figure.axes[0].set_ylabel("accuracy")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return picture(
        f"Confidence less accuracy on {SETS[1]} digits, in points: {_each(too_sure, '+.1f')}",
        figure,
        f"{BINS} bins of equal width, all seeds pooled; areas of points tell how many images a bin "
        f"holds, and bins of less than 20 are left out. {caption}",
        "Below the diagonal a network is surer than it is right.",
    )


def _each(values: Mapping[str, float], digits: str) -> str:
    """A number of each arm, in words."""
    return ", ".join(f"{arm} {value:{digits}}" for arm, value in values.items())


def _reliability(axes: Axes, arm: str, probabilities: np.ndarray, labels: np.ndarray) -> None:
    bins = montecarlo.reliability(probabilities, labels, bins=BINS)
    confidence, accuracy, examples = map(np.asarray, bins[:3])
    enough = examples >= 20
    x, y, share = confidence[enough], accuracy[enough], examples[enough] / len(labels)
    axes.plot(x, y, color=COLOURS[arm], label=arm)
    axes.scatter(x, y, s=8 + 400 * share, color=COLOURS[arm], alpha=0.6, linewidth=0)


@in_style()
def entropies(seeds: Seeds, information: Sequence[Passes], caption: str) -> Picture:
    """How unsure each arm is of what it knows and of what it does not."""
    figure, grid = panels(4, 2, WIDTH / 2, 2)
    more = {}
    for axes, arm in zip(grid, ARMS, strict=False):
        nats = [entr(one).sum(-1) for one in _pooled([seed[arm] for seed in seeds])]
        more[arm] = float(nats[2].mean() - nats[0].mean())
        _histograms(axes, nats)
        axes.set(title=f"{arm}: entropy")
    _histograms(grid[-1], _pooled(information))
    grid[-1].set(title="MC: mutual information")
    grid[0].legend(frameon=False, fontsize=8)
    figure.supylabel("share of images (%)", fontsize=8.5)
    title = f"Mean entropy of unseen digits less that of test digits (nats): {_each(more, '.2f')}"
    return picture(title, figure, f"In nats, all seeds pooled. {caption}")


def _pooled(passes: Sequence[Passes]) -> list[np.ndarray]:
    """Of each set the means of all seeds."""
    return [np.concatenate(images, axis=1)[0] for images in zip(*passes, strict=True)]


def _histograms(axes: Axes, values: Sequence[np.ndarray]) -> None:
    edges = np.linspace(0, max(nats.max() for nats in values), 41)
    for nats, name, colour in zip(values, SETS, SET_COLOURS, strict=True):
        style = {"weights": np.full(len(nats), 100 / len(nats)), "color": colour}
        axes.hist(nats, edges, histtype="stepfilled", alpha=0.25, **style)
        axes.hist(nats, edges, histtype="step", label=name, **style)
    axes.set(xlabel="nats", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


@in_style()
def rejection(seeds: Seeds, labels: np.ndarray, caption: str) -> Picture:
    """Accuracy on what is kept when the most unsure are left to somebody else."""
    figure, (axes,) = panels(1, 1, WIDTH, 3)
    lowest, kept = 100.0, {}
    for arm in ARMS:
        curves = [_rejection(seed[arm], np.tile(labels, 2)) for seed in seeds]
        spread = interval(100 * np.stack([np.asarray(curve.accuracy) for curve in curves]))
        rejected = 100 * np.asarray(curves[0].rejected)
        _band(axes, rejected, spread, arm)
        kept[arm] = spread.mean[np.searchsorted(rejected, ASKED)]
        lowest = min(lowest, spread.mean[rejected <= SHOWN].min())
    axes.set(xlabel="rejected (%)", ylabel="accuracy of what is kept (%)")
    axes.set(xlim=(0, SHOWN), ylim=(lowest - 5, 100.5))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return picture(
        f"Accuracy (%) with {ASKED} % rejected: {_each(kept, '.1f')}",
        figure,
        f"Test and corrupted digits together, rejected by predictive entropy. {caption}",
        "Bands: 95 % intervals.",
    )


def _rejection(passes: Passes, labels: np.ndarray) -> montecarlo.Rejection:
    pooled = np.concatenate([passes.test[0], passes.corrupted[0]])
    return montecarlo.rejection(pooled, labels, entr(pooled).sum(-1))


@in_style()
def samples(table: ByArm, caption: str) -> Picture:
    """The measures of the claim against the number of passes."""
    figure, shown = panels(4, 2, WIDTH / 2, 2)
    for axes, name in zip(shown, PRIMARY, strict=True):
        for arm in ARMS:
            _by_count(axes, table, arm, name)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set(title=TITLES[name], xlabel="passes")
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False, fontsize=8)
    ends = {
        f"after {count}": float(table["MC dropout", count][PRIMARY[0]].mean())
        for count in (1, max(count for _, count in table))
    }
    title = f"MC dropout's {TITLES[PRIMARY[0]]} by passes: {_each(ends, '.3f')}"
    return picture(title, figure, f"Means over seeds and their 95 % intervals. {caption}")


def _by_count(axes: Axes, table: ByArm, arm: str, name: str) -> None:
    rows = [row for row in table if row[0] == arm]
    counts = [count for _, count in rows]
    if len(rows) == 1:  # the deterministic network has one pass: a line to compare with
        counts, rows = [1, max(count for _, count in table)], rows * 2
    _band(axes, counts, interval(np.stack([table[row][name] for row in rows], axis=1)), arm)


def _band(axes: Axes, x: Any, spread: Any, arm: str) -> None:
    half = np.nan_to_num(spread.half)
    axes.plot(x, spread.mean, color=COLOURS[arm], label=arm)
    low, high = spread.mean - half, spread.mean + half
    axes.fill_between(x, low, high, color=COLOURS[arm], alpha=0.2, linewidth=0)


@in_style()
def regression(curves: Curves, caption: str) -> Picture:
    """Functions as lines, and twice their standard deviation as a band."""
    figure, both = panels(2, 2, WIDTH / 2, 2.4, sharex=True, sharey=True)
    for axes, (arm, functions) in zip(both, curves.functions.items(), strict=True):
        mean, spread = functions.mean(0), functions.std(0)
        band = {"color": COLOURS[arm], "alpha": 0.25, "linewidth": 0}
        axes.fill_between(GRID, mean - 2 * spread, mean + 2 * spread, **band)
        axes.plot(GRID, functions[:16].T, color=COLOURS[arm], linewidth=0.4, alpha=0.7)
        axes.plot(GRID, mean, color=COLOURS[arm])
        axes.plot(curves.x, curves.y, ".", color=INK, markersize=4)
        axes.set(title=arm, xlabel="x")
    figure.axes[0].set_ylabel("y")
    wider = {arm: growth(functions) for arm, functions in curves.functions.items()}
    return picture(
        f"Spread away from all data over that among them: {_each(wider, '.1f')}",
        figure,
        "A regression in one dimension. Dots: the data; thick: the mean; thin: 16 functions; band: "
        f"two standard deviations of the functions. {caption}",
    )
