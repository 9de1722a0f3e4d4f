"""What a comparison says: all arms, best first, each against no dropout."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from experiments.report.report import Report
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies.compare import figures, tables
from experiments.studies.compare.design import CASE, Point, grid, placements
from experiments.studies.compare.settings import Compare
from experiments.studies.compare.tables import ACCURACY, Measure, Rows, Summary, measure_of
from experiments.studies.design import Case
from experiments.studies.report import sized
from experiments.studies.results import Results
from experiments.studies.settings import in_shell
from experiments.training.task import Metrics
from experiments.words import counted, settings_of

TITLE = "Where should dropout stand?"
WIDEST = 1000  # columns of a table, whose names of placements are not cut off


def report(config: Compare, case: Case, results: Results) -> Report:
    """All of it, from what came out."""
    used, by = config.used, measure_of(case.data)
    result, seeds, what = results[CASE], used.arms.seeds, describe(used, case)
    points = grid(placements(config, case.architecture), config.arms.rates)
    summaries, placed = tables.summarise(points, result, by), tables.placed(points, result)
    of = {summary.point: summary for summary in summaries}
    rows = {name: [of[points[arm]] for arm in arms] for name, arms in placed.items()}
    note, headline = legend(seeds, by), verdict(summaries, rows, by)
    arms = tables.every(summaries, note, by)
    (placement, rate), settled = summaries[0].point, summaries[0].difference.excludes_zero
    short = f"{placement}, {rate:g}" if settled else Verdict.OPEN.value
    words = headline + picked(rows, summaries[0])
    if config.smoke:
        short, words = Verdict.OPEN.value, "No conclusion from a smoke run."
        headline = words
    asked = dataclasses.asdict(used)
    del asked["smoke"], asked["network" if used.own.model else "own"]
    screen = tables.starred(arms, TITLE).screen(no_wrap=True)
    return Report(
        settings=config,
        conclusion=Conclusion(
            "compare",
            TITLE,
            short,
            words,
            in_shell("compare", config),
            number=gain(summaries, rows, by),
            data=config.data.dataset,
            seeds=seeds,
        ),
        verdict=None,
        sentence=words,
        numbers={
            "results.csv": tables.per_seed(points, result, by),
            "history.csv": tables.per_epoch(points, result, by),
        },
        tables=[arms],
        draw=lambda: {
            "differences.svg": figures.cells(headline, rows, summaries[0], what, by),
            f"{by.name.lower()}.svg": figures.scores(of[points[0]], rows, what, by),
            "curves.svg": figures.curves(points, result, placed, what, by),
        },
        facts={"in short": what} | {name: settings_of(group) for name, group in asked.items()},
        screens=[screen],
        lines=[what, note, twins(points, result.metrics[-1])],
        width=Console(width=WIDEST).measure(screen).maximum,
    )


def describe(config: Compare, case: Case) -> str:
    """What was run, for the table and the figures alike."""
    data, training = case.data, config.training
    return (
        f"{config.data.dataset}: {sized(data, config.data.train_size, split=config.data.split)}. "
        f"{_network(config, case)}; {counted(training.epochs, 'epoch')} of adamw, batches of "
        f"{config.batch}, learning rate {training.learning_rate:g} falling to 0 (cosine), weight "
        f"decay {training.weight_decay:g}. Seeds: {config.arms.seeds}, from {config.arms.seed}."
    )


def _network(config: Compare, case: Case) -> str:
    if config.own.model:
        count, numbers = len(case.architecture.sites), case.architecture.parameters
        return f"Model {config.own.model}, {numbers:,} parameters, {counted(count, 'dropout site')}"
    sizes = "-".join(map(str, [case.data.inputs, *config.network.widths, case.data.classes]))
    return f"Network {sizes}, {config.network.activation}"


def legend(seeds: int, by: Measure) -> str:
    """How to read the table."""
    if seeds < 2:
        return "One seed: no interval can be given (n/a), and nothing is concluded. Try --seeds 8."
    return (
        f"Means over n = {seeds} seeds; ± gives half of the mean's 95 % interval, for new seeds "
        "and new test images given the pool of training images (gap: for new seeds alone). "
        f"{by.explained} «vs. none» is paired: the arms of a seed share training images, initial "
        "weights, batches and masks."
    )


def verdict(summaries: Sequence[Summary], rows: Rows, by: Measure = ACCURACY) -> str:
    """What follows from the table, and no more; arms that are as good as the best are named."""
    best, *_ = summaries
    if np.isnan(best.score.half):
        return "No conclusion from one seed."
    if best.point.placement == "none":
        mean = (
            f"{'higher' if by.sign > 0 else 'lower'} mean; nearest is {gain(summaries, rows, by)}"
        )
        return f"Best: no dropout. No placement at any of these rates had a {mean}."
    decided = best.difference.excludes_zero
    settled = "its interval excludes 0" if decided else "not decided: its interval holds 0"
    return f"Best: {gain(summaries, rows, by)} ({settled})."


def gain(summaries: Sequence[Summary], rows: Rows, by: Measure) -> str:
    """That of the best arms with dropout on none, which may be a loss."""
    best = next(one for one in summaries if one.point.placement != "none")
    unit = "points" if by is ACCURACY else by.points
    difference = f"{best.difference.text(by.gap_digits, '+')} {unit}"
    return f"{tables.equals(best, rows)}, {difference} against none"


def picked(rows: Rows, best: Summary) -> str:
    """What to expect of the best of many."""
    count = sum(map(len, rows.values()))
    if np.isnan(best.score.half) or count < 2 or best.point.placement == "none":
        return ""
    return f" It was picked as the best of {count}, so expect a little less of it on other seeds."


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
