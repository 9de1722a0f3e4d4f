"""What a comparison says: all arms, best first, each against no dropout."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.data.images import Dataset
from experiments.report.gallery import gallery
from experiments.report.report import Report
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies.compare import figures, tables
from experiments.studies.compare.design import CASE, Point, grid
from experiments.studies.compare.settings import Compare
from experiments.studies.compare.tables import Summary
from experiments.studies.report import sized
from experiments.studies.results import Result
from experiments.studies.settings import in_shell
from experiments.training.task import Metrics
from experiments.words import counted

TITLE = "Where should dropout stand?"


def report(config: Compare, data: Dataset, results: Mapping[str, Result]) -> Report:
    """All of it, from what came out."""
    result, seeds, what = results[CASE], config.arms.seeds, describe(config, data)
    points = grid(config.arms.placements, config.arms.rates)
    summaries = tables.summarise(points, result)
    arms, words = tables.every(summaries, legend(seeds)), verdict(summaries, seeds)
    short, command = in_short(summaries[0]), in_shell("compare", config)
    return Report(
        settings=config,
        conclusion=Conclusion("compare", TITLE, short, words, command),
        verdict=None,
        sentence=words,
        numbers={
            "results.csv": tables.per_seed(points, result),
            "history.csv": tables.per_epoch(points, result),
        },
        tables=[arms],
        draw=lambda: {
            "accuracy.png": figures.accuracy(points, result, what),
            "differences.png": figures.differences(summaries, what),
            "curves.png": figures.curves(points, result, what),
            "": gallery(config.arms.seed),
        },
        facts={"in short": what} | _facts(config),
        screens=[tables.starred(arms, TITLE).screen(no_wrap=True)],
        lines=[what, legend(seeds), twins(points, result.metrics[-1]), words],
    )


def _facts(config: Compare) -> dict[str, str]:
    return {
        name: ", ".join(f"{key} {value}" for key, value in settings.items())
        for name, settings in dataclasses.asdict(config).items()
    }


def describe(config: Compare, data: Dataset) -> str:
    """What was run, for the table and the figures alike."""
    sizes = "-".join(map(str, [data.inputs, *config.network.widths, data.classes]))
    training = config.training
    return (
        f"{config.data.dataset}: "
        f"{sized(data, config.data.train_size, split=config.data.split)}. "
        f"Network {sizes}, {config.network.activation}; "
        f"{counted(training.epochs, 'epoch')} of adamw, batches of {training.batch_size}, learning "
        f"rate "
        f"{training.learning_rate:g} falling to 0 (cosine), weight decay "
        f"{training.weight_decay:g}. Seeds: {config.arms.seeds}, from {config.arms.seed}."
    )


def legend(seeds: int) -> str:
    """How to read the table."""
    if seeds < 2:
        return "One seed: no interval can be given (n/a), and nothing is concluded. Try --seeds 8."
    return (
        f"Means over n = {seeds} seeds; ± gives half of the mean's 95 % interval, for new seeds "
        "and new test images given the pool of training images (gap: for new seeds alone). "
        "Accuracies are in %, gap (train minus test) and difference in percentage "
        "points, NLL (negative log-likelihood) in nats an image. «vs. none» is paired: the arms of "
        "a seed share training images, initial weights, batches and masks; seeds differ in all."
    )


def in_short(best: Summary) -> str:
    """The arm that is better than none, if that is settled."""
    (placement, rate), settled = best.point, best.difference.excludes_zero
    return f"{placement}, {rate:g}" if settled else Verdict.OPEN.value


def verdict(summaries: Sequence[Summary], seeds: int) -> str:
    """What follows from the table, and no more."""
    if seeds < 2:
        return "No conclusion from one seed."
    (placement, rate), *_, difference = summaries[0]
    if placement == "none":
        return "Best: no dropout. No placement at any of these rates had a higher mean."
    decided = difference.excludes_zero
    settled = "its interval excludes 0" if decided else "not decided: its interval holds 0"
    return (
        f"Best: {placement} at rate {rate:g}, {difference.text(sign='+')} points against none "
        f"({settled}). It was picked as the best of {len(summaries) - 1}, so expect a little less "
        "of it on other seeds."
    )


def twins(points: Sequence[Point], final: Metrics) -> str:
    """Whether dropping before and after the activation came out the same, in every metric."""
    values = np.stack(final)
    before, after = (
        [index for index, point in enumerate(points) if point.placement == placement]
        for placement in ("before-activation", "after-activation")
    )
    if not (before and after):
        return ""
    if np.array_equal(values[..., before], values[..., after]):
        return "Before and after the activation are identical, to the last bit of every metric."
    spread = 100 * abs(values[2][..., before] - values[2][..., after]).max()
    return f"Before and after the activation differ, by up to {spread:.2f} points in one seed."
