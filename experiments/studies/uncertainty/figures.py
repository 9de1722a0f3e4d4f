"""The figures: reliability, entropies, rejection, number of samples, regression."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from scipy.special import entr

from experiments.report.colours import BLUE, GREY, INK, RED
from experiments.report.figures import WIDTH, ends, in_style, panels, picture, points
from experiments.report.intervals import PER_CENT, Interval, interval
from experiments.report.page import Picture
from experiments.studies.uncertainty import measure
from experiments.studies.uncertainty.measure import ARMS, HIGHER, PRIMARY, TITLES, ByArm, Passes
from experiments.studies.uncertainty.network import GRID, Curves, growth
from jaxdrop import montecarlo

COLOURS: dict[str, str] = dict(zip(ARMS, (GREY, BLUE, RED), strict=True))
SETS = ("test", "corrupted", "unseen")
BINS = 10
ASKED = 50  # percent rejected: of which the title tells
SHOWN = 95  # percent rejected: of what is kept beyond, too little is left to tell
Seeds = Sequence[Mapping[str, Passes]]  # of each seed and arm the mean over passes


def _ranked(
    values: Mapping[str, float], digits: str, by: Callable[[float], float]
) -> tuple[str, str, str]:
    """The arm with least of something, its number, and the others with theirs."""
    first, *others = sorted(values, key=lambda arm: by(values[arm]))
    rest = (f"{arm} {values[arm]:{digits}}" for arm in others)
    return first, f"{values[first]:{digits}}", ", ".join(rest)


@in_style()
def reliability(seeds: Seeds, labels: np.ndarray, caption: str) -> Picture:
    """Accuracy against confidence: below the diagonal a network is too sure."""
    figure, grid = panels(6, 3, WIDTH / 3, 1.5, sharex=True, sharey=True)
    too_sure, repeated = {name: {} for name in SETS[:2]}, np.tile(labels, len(seeds))
    for axes, (name, arm) in zip(grid, itertools.product(SETS[:2], ARMS), strict=True):
        pooled = np.concatenate([getattr(seed[arm], name)[0] for seed in seeds])
        _reliability(axes, arm, pooled, repeated)
        too_sure[name][arm] = 100 * float(np.mean(pooled.max(-1) - (pooled.argmax(-1) == repeated)))
        if name == SETS[0]:
            axes.set_title(arm, color=COLOURS[arm])
        if arm == ARMS[0]:
            axes.set_ylabel(f"{name} digits:\naccuracy (%)")
    grid[4].set_xlabel("confidence (%)")
    nearest, off, others = _ranked(too_sure[SETS[1]], "+.1f", abs)
    on_test = ", ".join(f"{arm} {off:+.1f}" for arm, off in too_sure[SETS[0]].items())
    return picture(
        f"On {SETS[1]} digits confidence is nearest to accuracy with {nearest}: {off} points; "
        f"{others}",
        figure,
        f"{BINS} bins of equal width, all seeds pooled; areas of points tell how many images a bin "
        f"holds, and bins of less than 20 are left out. {caption}",
        f"Accuracy against confidence, a panel for each arm on either set; positive is too sure. "
        f"On {SETS[0]} digits: {on_test}.",
        "Below the diagonal a network is surer than it is right.",
    )


def _reliability(axes: Axes, arm: str, probabilities: np.ndarray, labels: np.ndarray) -> None:
    bins = montecarlo.reliability(probabilities, labels, bins=BINS)
    confidence, accuracy, examples = map(np.asarray, bins[:3])
    enough = examples >= 20
    x, y, share = 100 * confidence[enough], 100 * accuracy[enough], examples[enough] / len(labels)
    axes.plot([0, 100], [0, 100], color="0.8", linewidth=1)
    axes.plot(x, y, color=COLOURS[arm])
    axes.scatter(x, y, s=8 + 120 * share, color=COLOURS[arm], alpha=0.6, linewidth=0)
    axes.set(xlim=(0, 105), ylim=(0, 105), xticks=(0, 50, 100), yticks=(0, 50, 100))
    axes.grid(alpha=0.25)


@in_style()
def entropies(seeds: Seeds, information: Sequence[Passes], caption: str) -> Picture:
    """How unsure each arm is of what it knows and of what it does not."""
    figure, grid = panels(4, 2, WIDTH / 2, 1.3, sharex=True, sharey=True)
    more, medians = {}, {}
    for axes, arm in zip(grid, ARMS, strict=False):
        nats = [entr(one).sum(-1) for one in _pooled([seed[arm] for seed in seeds])]
        more[arm] = float(nats[2].mean() - nats[0].mean())
        medians[arm] = _numbers(map(np.median, nats))
        _quantiles(axes, nats, COLOURS[arm])
        axes.set_title(f"{arm}: entropy")
    _quantiles(grid[-1], _pooled(information), COLOURS["MC dropout"])
    grid[-1].set_title("MC: mutual information")
    for axes in grid[2:]:
        axes.set_xlabel("nats")
    furthest, apart, others = _ranked(more, "+.2f", lambda nats: -nats)
    return picture(
        f"Mean entropy sets {SETS[2]} digits furthest from test digits with {furthest}: "
        f"{apart} nats; {others}",
        figure,
        f"All images of all seeds. {caption}",
        f"Median entropy of {', '.join(SETS)} digits, in nats: "
        f"{'; '.join(f'{arm} {found}' for arm, found in medians.items())}.",
        "Dots: medians; thick: half of the images; thin: nine in ten.",
    )


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _pooled(passes: Sequence[Passes]) -> list[np.ndarray]:
    """Of each set the means of all seeds."""
    return [np.concatenate(images, axis=1)[0] for images in zip(*passes, strict=True)]


def _quantiles(axes: Axes, values: Sequence[np.ndarray], colour: str) -> None:
    shares, rows = (0.05, 0.25, 0.5, 0.75, 0.95), range(len(values))
    low, first, middle, third, high = zip(*(np.quantile(it, shares) for it in values), strict=True)
    axes.hlines(rows, low, high, color=colour, linewidth=1)
    axes.hlines(rows, first, third, color=colour, linewidth=4)
    axes.plot(middle, rows, "o", color=colour, markeredgecolor="white", markersize=6)
    axes.set_yticks(rows, SETS)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.grid(alpha=0.25, axis="x")


@in_style()
def rejection(seeds: Seeds, labels: np.ndarray, caption: str) -> Picture:
    """Accuracy on what is kept when the most unsure are left to somebody else."""
    figure, (axes,) = panels(1, 1, WIDTH, 3)
    kept, last, all_kept = {}, {}, {}
    for number, arm in enumerate(ARMS):
        curves = []
        for test, corrupted, _ in (seed[arm] for seed in seeds):
            pooled = np.concatenate([test[0], corrupted[0]])
            unsure = entr(pooled).sum(-1)
            curves.append(montecarlo.rejection(pooled, np.tile(labels, 2), unsure))
        spread = interval(100 * np.stack([np.asarray(curve.accuracy) for curve in curves]))
        rejected = 100 * np.asarray(curves[0].rejected)
        shown = rejected <= SHOWN
        axes.plot(rejected[shown], spread.mean[shown], color=COLOURS[arm])
        at = np.searchsorted(rejected, np.arange(0, SHOWN, 15) + 1.5 * number)
        some = Interval(spread.mean[at], spread.half[at])
        points(axes, rejected[at], some, within=PER_CENT, color=COLOURS[arm])
        kept[arm] = float(spread.mean[np.searchsorted(rejected, ASKED)])
        last[arm], all_kept[arm] = (float(spread.mean[shown][end]) for end in (-1, 0))
    axes.set(xlabel="rejected (%)", ylabel="accuracy of what is kept (%)", xlim=(-1, SHOWN))
    ends(axes, last, COLOURS)
    best, right, others = _ranked(kept, ".1f", lambda accuracy: -accuracy)
    return picture(
        f"With {ASKED} % rejected, {best} gets most of the rest right: {right} %; {others}",
        figure,
        f"Test and corrupted digits together, rejected by predictive entropy. {caption}",
        f"Accuracy of what is kept, from none rejected to {SHOWN} %: "
        f"{'; '.join(f'{arm} {all_kept[arm]:.1f} to {last[arm]:.1f} %' for arm in ARMS)}.",
        "Means and their 95 % intervals.",
    )


@in_style()
def samples(table: ByArm, caption: str) -> Picture:
    """The measures of the claim against the number of passes."""
    figure, shown = panels(4, 1, WIDTH, 1.25, sharex=True)
    for axes, name in zip(shown, PRIMARY, strict=True):
        axes.set_xscale("log", base=2)
        last = {arm: _by_count(axes, table, arm, name) for arm in ARMS}
        better = "more" if name in HIGHER else "less"
        unit = " (nats)" * name.endswith("nll")
        axes.set_title(f"{TITLES[name]}{unit}, {better} is better")
        ends(axes, last, COLOURS)
    shown[-1].set_xlabel("passes")
    shown[-1].xaxis.set_major_formatter("{x:.0f}")
    most = max(count for _, count in table)
    one, all_ = (table["MC dropout", count][PRIMARY[0]].mean() for count in (1, most))
    after = {name: interval(table["MC dropout", most][name]) for name in PRIMARY}
    said = (f"{TITLES[it]} {after[it].text('.3f', within=measure.possible(it))}" for it in PRIMARY)
    return picture(
        f"More passes {'raise' if all_ > one else 'lower'} MC dropout's {TITLES[PRIMARY[0]]}: "
        f"{one:.3f} after 1, {all_:.3f} after {most}",
        figure,
        f"Means over seeds and their 95 % intervals. {caption}",
        f"Four measures by number of passes. MC dropout after {most}: {', '.join(said)}.",
    )


def _by_count(axes: Axes, table: ByArm, arm: str, name: str) -> float:
    """Draws it, and returns where it ends."""
    counts = np.array([count for own, count in table if own == arm])
    spread = interval(np.stack([table[arm, count][name] for count in counts], axis=1))
    apart, style = 1.06 ** ARMS.index(arm), {"fmt": "o-", "color": COLOURS[arm], "linewidth": 1}
    if len(counts) == 1:  # the deterministic network has one pass: a line to compare with
        axes.axhline(spread.mean[0], color=COLOURS[arm], linewidth=1)
    points(axes, apart * counts, spread, within=measure.possible(name), **style)
    return float(spread.mean[-1])


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
    widest, times, other = _ranked(wider, ".1f", lambda times: -times)
    spreads = (f"{arm} {_numbers(f.std(0)[[0, -1]])}" for arm, f in curves.functions.items())
    return picture(
        f"Away from all data {widest} spreads {times} times as wide as among them; {other}",
        figure,
        "A regression in one dimension. Dots: the data; thick: the mean; thin: 16 functions; band: "
        f"two standard deviations of the functions. {caption}",
        f"Functions of either arm through {len(curves.x)} points. Their standard deviation at both "
        f"ends: {'; '.join(spreads)}.",
    )
