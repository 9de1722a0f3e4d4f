"""The figures: ours against published, and how many samples a likelihood needs."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.report.colours import BLUE, GREY, PALE, RED
from experiments.report.figures import WIDTH, in_style, panels, picture
from experiments.report.page import Picture
from experiments.studies.figures import in_rows, labelled, on_row
from experiments.studies.uci.published import Comparison, Sets, headline
from experiments.words import counted


@in_style()
def against_published(compared: Sequence[Comparison], caption: str) -> Picture:
    """Each measure of each set, on the common scale of its tolerance."""
    figure = Figure(figsize=(WIDTH, 1.5 + 0.42 * len(compared)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-1, 1, color=PALE, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    for row, one in enumerate(compared):
        on_row(axes, row, one.off, one.words, *((BLUE, "o") if one.agrees else (RED, "s")))
    in_rows(axes, len(compared), "ours less published (tolerances)")
    note = "Grey: within tolerance; means over splits and their standard errors, paired by split."
    return picture(headline(compared), figure, caption, _differences(compared), note)


def _differences(compared: Sequence[Comparison]) -> str:
    """Each in words."""
    said = [
        f"{one.name} {one.measure} {one.difference.mean:+.3f} ± {one.difference.error:.3f}"
        for one in compared
        if one.difference
    ]
    of = "Ours less published, means over splits and their standard errors"
    return f"{of}: {', '.join(said)}." if said else "Nothing is published to compare with."


@in_style()
def likelihood_by_samples(sets: Sets, caption: str) -> Picture:
    """How many samples the log-likelihood needs."""
    figure, shown = panels(len(sets), 2, WIDTH / 2, 1.5, sharex=True, sharey=True)
    short = {}
    for axes, (name, (_, ours, _)) in zip(shown, sets.items(), strict=True):
        means = ours.log_likelihood.mean((1, 2))
        short[name] = abs(float(means[0] - means[-1]))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.plot(ours.samples, means - means[-1], "o-", markersize=3, color=BLUE)
        axes.set(title=name, xscale="log")
        ticks = ours.samples[[0, -1]]
        for label, side in zip(axes.set_xticks(ticks, ticks), ("left", "right"), strict=True):
            label.label1.set_horizontalalignment(side)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.25)
    labelled(figure, shown, "samples", "log-likelihood (nats)")
    first, last = next(iter(sets.values())).ours.samples[[0, -1]]
    worst, least = (end(short, key=short.__getitem__) for end in (max, min))
    return picture(
        f"{counted(first, 'sample')} miss the log-likelihood of {last:,} by at most "
        f"{short[worst]:.2g} nats ({worst})",
        figure,
        caption,
        f"Log-likelihood by number of samples, a panel for each of {counted(len(short), 'set')}; "
        f"least is missed in {least}, {short[least]:.2g} nats.",
        "Test log-likelihood less that of all samples; means over splits and seeds.",
    )
