"""The figures: ours against published, and how many samples a likelihood needs."""

import itertools

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.report.colours import BLUE, GREY, SERIES
from experiments.report.figures import WIDTH, in_style, panels, picture
from experiments.report.page import Picture
from experiments.studies.uci.published import MEASURES, Sets
from experiments.words import counted


@in_style()
def against_published(headline: str, sets: Sets, caption: str) -> Picture:
    """Each split as a point; on the line nothing differs."""
    figure = Figure(figsize=(max(WIDTH, 2.2 * len(sets)), 5), layout="constrained")
    grid = figure.subplots(2, len(sets), squeeze=False)
    for column, (name, (published, ours, _)) in enumerate(sets.items()):
        for row, (measure, mine) in enumerate(zip(MEASURES, ours.of_splits, strict=True)):
            axes = grid[row, column]
            if published is not None:
                theirs = published[row]
                axes.plot(theirs, mine, "o", markersize=4, color=BLUE)
                axes.axline((theirs.mean(),) * 2, slope=1, color=GREY, linewidth=1)
            axes.set(title=f"{name}: {measure}", xlabel="published")
    for axes in grid[:, 0]:
        axes.set_ylabel("ours")
    note = "A point for each split, seeds averaged; on the line nothing differs."
    return picture(headline, figure, caption, note)


@in_style()
def likelihood_by_samples(sets: Sets, caption: str) -> Picture:
    """How many samples the log-likelihood needs."""
    figure, (axes,) = panels(1, 1, WIDTH, 2.8)
    short, least = {}, 0
    for (name, (_, ours, _)), colour in zip(sets.items(), itertools.cycle(SERIES), strict=False):
        means, least = ours.log_likelihood.mean((1, 2)), ours.samples[0]
        short[name] = means[0] - means[-1]
        axes.plot(ours.samples, means - means[-1], "o-", markersize=3, color=colour, label=name)
    axes.set(xlabel="samples", ylabel="test log-likelihood, less that of all samples", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False)
    worst = min(short, key=lambda name: short[name])
    title = (
        f"With {counted(least, 'sample')} the log-likelihood of {worst} is {short[worst]:+.2g} off"
    )
    return picture(title, figure, caption, "Means over splits and seeds.")
