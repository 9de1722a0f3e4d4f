"""The figures: ours against published, and how many samples a likelihood needs."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from experiments.report.figures import as_png
from experiments.studies.uci.data import Published
from experiments.studies.uci.score import Result


def against_published(
    results: Mapping[str, Result], published: Mapping[str, Published | None], caption: str
) -> bytes:
    """Each split as a point; on the line nothing differs."""
    figure = Figure(figsize=(3.2 * len(results) + 1, 7.5), layout="constrained")
    grid = figure.subplots(2, len(results), squeeze=False)
    for column, (name, result) in enumerate(results.items()):
        ours = result.rmse.mean(1), result.log_likelihood[-1].mean(1)
        for axes, mine, which in zip(grid[:, column], ours, (0, 1), strict=True):
            theirs = published[name]
            if theirs is not None:
                axes.plot(theirs[which], mine, "o", markersize=4)
                axes.axline((theirs[which].mean(),) * 2, slope=1, color="0.5", linewidth=1)
            axes.set(title=f"{name}: {('RMSE', 'log-likelihood')[which]}", xlabel="published")
    grid[0, 0].set_ylabel("ours")
    grid[1, 0].set_ylabel("ours")
    return as_png(figure, f"{caption} A point for each split, seeds averaged.")


def likelihood_by_samples(results: Mapping[str, Result], caption: str) -> bytes:
    """How many samples the log-likelihood needs."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        means = result.log_likelihood.mean((1, 2))
        axes.plot(result.samples, means - means[-1], "o-", markersize=3, label=name)
    axes.set(xlabel="samples", ylabel="test log-likelihood, less that of all samples")
    axes.legend()
    return as_png(figure, f"{caption} Means over splits and seeds.")
