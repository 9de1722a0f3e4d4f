"""The figures: ours against published, and how many samples a likelihood needs."""

from matplotlib.figure import Figure

from experiments.report.figures import as_png, panels
from experiments.studies.uci.published import MEASURES, Sets


def against_published(sets: Sets, caption: str) -> bytes:
    """Each split as a point; on the line nothing differs."""
    figure = Figure(figsize=(3.2 * len(sets) + 1, 7.5), layout="constrained")
    grid = figure.subplots(2, len(sets), squeeze=False)
    for column, (name, (published, ours, _)) in enumerate(sets.items()):
        for row, (measure, mine) in enumerate(zip(MEASURES, ours.of_splits, strict=True)):
            axes = grid[row, column]
            if published is not None:
                theirs = published[row]
                axes.plot(theirs, mine, "o", markersize=4)
                axes.axline((theirs.mean(),) * 2, slope=1, color="0.5", linewidth=1)
            axes.set(title=f"{name}: {measure}", xlabel="published")
    grid[0, 0].set_ylabel("ours")
    grid[1, 0].set_ylabel("ours")
    return as_png(figure, f"{caption} A point for each split, seeds averaged.")


def likelihood_by_samples(sets: Sets, caption: str) -> bytes:
    """How many samples the log-likelihood needs."""
    figure, (axes,) = panels(1, 1, 8, 3.8)
    for name, (_, ours, _) in sets.items():
        means = ours.log_likelihood.mean((1, 2))
        axes.plot(ours.samples, means - means[-1], "o-", markersize=3, label=name)
    axes.set(xlabel="samples", ylabel="test log-likelihood, less that of all samples")
    axes.legend()
    return as_png(figure, f"{caption} Means over splits and seeds.")
