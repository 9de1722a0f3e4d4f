"""A comparison in words and numbers: the table on the screen, the rows of `results.csv`."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.table import Table

from experiments.data.images import Dataset
from experiments.report.files import as_csv
from experiments.report.intervals import Interval
from experiments.studies.compare.placements import Arm
from experiments.studies.compare.settings import Compare
from experiments.studies.compare.summary import Summary
from experiments.training.task import Metrics


def describe(config: Compare, data: Dataset) -> str:
    """What was run, for the table and the figures alike."""
    sizes = "-".join(map(str, [data.inputs, *config.network.widths, data.classes]))
    training = config.training
    return (
        f"{config.data.dataset}: {len(data.y_train):,} training and {len(data.y_test):,} test "
        f"images (one fixed split). Network {sizes}, {config.network.activation}; "
        f"{training.epochs} epochs of adamw, batches of {training.batch_size}, learning rate "
        f"{training.learning_rate:g} falling to 0 (cosine), weight decay "
        f"{training.weight_decay:g}. Seeds: {config.arms.seeds}, from {config.arms.seed}."
    )


def table(summaries: Sequence[Summary], seeds: int) -> Table:
    """All arms, best first; every arm that reaches the best accuracy is marked."""
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="Where should dropout stand?")
    grid.add_column("  placement", no_wrap=True)
    for column in ("rate", "test acc. %", "gap", "test NLL", "vs. none"):
        grid.add_column(column, justify="right", no_wrap=True)
    best = summaries[0].accuracy.mean
    for summary in summaries:
        tops = summary.accuracy.mean == best and seeds > 1
        mark, style = ("★ ", "bold green") if tops else ("  ", "")
        grid.add_row(mark + summary.arm.placement, *cells(summary), style=style)
    return grid


def cells(summary: Summary) -> list[str]:
    """What the table says of an arm, after its placement."""
    arm, accuracy, gap, nll, difference = summary
    if arm.placement == "none":
        return ["–", _show(accuracy), f"{gap.mean:.2f}", _show(nll, 3), "–"]
    against = _show(difference, sign="+")
    return [f"{arm.rate:g}", _show(accuracy), f"{gap.mean:.2f}", _show(nll, 3), against]


def _show(interval: Interval, digits: int = 2, sign: str = "") -> str:
    half = "n/a" if np.isnan(interval.half) else f"{interval.half:.{digits}f}"
    return f"{interval.mean:{sign}.{digits}f} ± {half}"


def legend(seeds: int) -> str:
    """How to read the table."""
    if seeds < 2:
        return "One seed: no interval can be given (n/a), and nothing is concluded. Try --seeds 8."
    return (
        f"Means over n = {seeds} seeds; ± gives half of the mean's 95 % interval (Student's t). "
        "Accuracies are in %, gap (train minus test) and difference in percentage "
        "points, NLL (negative log-likelihood) in nats an image. «vs. none» is paired: the arms of "
        "a seed share initial weights, batches and masks, and seeds differ in all three."
    )


def verdict(summaries: Sequence[Summary], seeds: int) -> str:
    """What follows from the table, and no more."""
    if seeds < 2:
        return "No conclusion from one seed."
    best = summaries[0]
    if best.arm.placement == "none":
        return "Best: no dropout. No placement at any of these rates had a higher mean."
    decided = best.difference.excludes_zero
    settled = "its interval excludes 0" if decided else "not decided: its interval holds 0"
    return (
        f"Best: {best.arm.placement} at rate {best.arm.rate:g}, "
        f"{_show(best.difference, sign='+')} points against none ({settled}). It was picked as the "
        f"best of {len(summaries) - 1}, so expect a little less of it on other seeds."
    )


def twins(arms: Sequence[Arm], final: Metrics) -> str:
    """Whether dropping before and after the activation came out the same, in every metric."""
    values = np.stack(final)
    before, after = (
        [index for index, arm in enumerate(arms) if arm.placement == placement]
        for placement in ("before-activation", "after-activation")
    )
    if not (before and after):
        return ""
    if np.array_equal(values[..., before], values[..., after]):
        return "Before and after the activation are identical, to the last bit of every metric."
    spread = 100 * abs(values[2][..., before] - values[2][..., after]).max()
    return f"Before and after the activation differ, by up to {spread:.2f} points in one seed."


def results_csv(arms: Sequence[Arm], final: Metrics) -> bytes:
    """A row for each arm and seed, with all digits that float32 has."""
    return as_csv(["placement", "rate", "seed", *Metrics._fields], _rows(arms, final))


def history_csv(arms: Sequence[Arm], epochs: Sequence[int], history: Sequence[Metrics]) -> bytes:
    """The same at the end of each block."""
    blocks = zip(epochs, history, strict=True)
    rows = ([epoch, *row] for epoch, metrics in blocks for row in _rows(arms, metrics))
    return as_csv(["epoch", "placement", "rate", "seed", *Metrics._fields], rows)


def _rows(arms: Sequence[Arm], metrics: Metrics) -> Iterator[list[object]]:
    for index, arm in enumerate(arms):
        for seed, row in enumerate(np.stack(metrics, -1)[:, index]):
            yield [*arm, seed, *map(str, row)]
