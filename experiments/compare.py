"""Where should dropout stand? Every placement, rate and seed in one compiled program."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from experiments import memory, plots, probes, recipe, report, runs, training
from experiments.cluster import Cluster, lead
from experiments.comparison import comparison, conclusion
from experiments.config import Compare, Folder
from experiments.data import Dataset, load
from experiments.environment import environment
from experiments.errors import expect
from experiments.fingerprints import digest
from experiments.layout import Layout
from experiments.manifest import Head, Inputs
from experiments.models import Perceptron
from experiments.placements import Arm, arms_of, rate_rows
from experiments.statistics import summarise
from experiments.sweep import History, Task
from experiments.train import Plan, Problem, block_ends
from experiments.work import Files, Work

MOST = 10_000_000
"""Networks whose results are held in memory."""


def compare(config: Compare, folder: Folder, cluster: Cluster) -> None:
    """Trains, prints the table, writes the run folder."""
    cluster.join()
    path = folder.output or _default_folder(config)
    lead(lambda: runs.check_folder(path, folder.overwrite))
    training.train(prepare(config, folder.chunk), path, folder.overwrite, folder.checkpoint_every)


def _default_folder(config: Compare) -> Path:
    return Path("runs", f"compare-{Path(config.data.dataset).stem}-{config.network.activation}")


def prepare(config: Compare, cut: Layout | int | None = None) -> Work:
    """Loads the data and cuts the work up: as it was, in chunks of a size, or as memory has it."""
    data = load(config.data.dataset, config.data.train_size, config.data.test_size)
    arms = arms_of(config.arms.placements, config.arms.rates)
    task = task_of(config, data, arms, cut)
    return Work(
        head(config, data, task),
        task,
        partial(_tables, config, arms),
        partial(_figures, config, data, arms),
        partial(_show, config, data, arms),
    )


def task_of(
    config: Compare, data: Dataset, arms: Sequence[Arm], cut: Layout | int | None = None
) -> Task:
    """What is compiled, and what it runs on."""
    settings, seeds = config.training, config.arms.seeds
    sizes = (data.inputs, *config.network.widths, data.classes)
    architecture = Perceptron(sizes, config.network.activation)
    steps = len(data.y_train) // settings.batch_size
    whole, fix = steps * settings.epochs, "Lower --epochs, or raise --batch-size."
    expect(whole < 2**31, "fewer than 2**31 steps", f"{whole:,}", fix)
    expect(seeds * len(arms) <= MOST, f"at most {MOST:,} networks", f"{seeds * len(arms):,}")
    problem = Problem(data, np.array(config.arms.seed, np.uint32))
    recipes = recipe.with_rates(
        rate_rows(arms, architecture.sites, architecture.depth),
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    plan = Plan(architecture, settings.batch_size, steps, settings.epochs)
    return Task(plan, problem, recipes, memory.fitted(plan, seeds, len(arms), cut))


def head(config: Compare, data: Dataset, task: Task) -> Head:
    """What is known before training."""
    arms, rates = config.arms, np.unique(task.recipes.rates)
    drawn = probes.digests(
        task.plan, len(data.y_train), np.asarray(task.problem.seed), arms.seeds, rates
    )
    return Head(
        "compare",
        arms.seed,
        "threefry2x32",
        dataclasses.asdict(config),
        task.layout,
        environment(),
        Inputs(digest(*map(np.asarray, data)), **drawn),
    )


def _tables(config: Compare, arms: Sequence[Arm], history: History) -> Files:
    epochs = block_ends(config.training.epochs)
    return {
        "config.json": runs.as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(arms, history.metrics[-1]),
        "history.csv": report.history_csv(arms, epochs, history.metrics),
    }


def _figures(config: Compare, data: Dataset, arms: Sequence[Arm], history: History) -> Files:
    caption, metrics = report.describe(config, data), history.metrics
    epochs, summaries = block_ends(config.training.epochs), summarise(arms, metrics[-1])
    figures = {
        "accuracy.png": plots.accuracy(arms, metrics[-1], caption),
        "differences.png": plots.differences(summaries, caption),
        "curves.png": plots.curves(arms, epochs, metrics, caption),
    }
    concluded = conclusion(config, summaries)
    return {
        **figures,
        **concluded.file(),
        "report.html": comparison(config, summaries, caption, figures),
    }


def _show(config: Compare, data: Dataset, arms: Sequence[Arm], history: History) -> None:
    seeds, final = config.arms.seeds, history.metrics[-1]
    summaries = summarise(arms, final)
    console = Console(highlight=False)
    console.print(report.table(summaries, seeds))
    for line in (
        report.describe(config, data),
        report.legend(seeds),
        report.twins(arms, final),
        report.verdict(summaries, seeds),
    ):
        console.print(line, markup=False)
