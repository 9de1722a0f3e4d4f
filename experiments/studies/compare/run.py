"""Where should dropout stand? Every placement, rate and seed in one compiled program."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from experiments.data.images import Dataset, load
from experiments.models import Perceptron
from experiments.report.files import Files, as_json
from experiments.runs.execute import Runnable, execute, of_tasks
from experiments.runs.folder import check_folder
from experiments.studies.compare import figures as plots
from experiments.studies.compare import tables as report
from experiments.studies.compare.page import comparison, conclusion
from experiments.studies.compare.placements import Arm, arms_of, rate_rows
from experiments.studies.compare.settings import Compare, Folder
from experiments.studies.compare.summary import summarise
from experiments.studies.settings import command_line
from experiments.training import memory, recipe
from experiments.training.chunks import Layout
from experiments.training.devices import Cluster, lead
from experiments.training.sweep import Histories, Task
from experiments.training.task import Plan, Problem, block_ends

CASE = "networks"


def compare(config: Compare, folder: Folder, cluster: Cluster) -> None:
    """Trains, prints the table, writes the run folder."""
    cluster.join()
    path = folder.output or _default_folder(config)
    lead(lambda: check_folder(path, folder.overwrite))
    execute(prepare(config, folder.chunk), path, folder.overwrite, folder.checkpoint_every)


def _default_folder(config: Compare) -> Path:
    return Path("runs", f"compare-{Path(config.data.dataset).stem}-{config.network.activation}")


def prepare(config: Compare, cut: Layout | int | None = None) -> Runnable[Histories]:
    """Loads the data and cuts the work up: as it was, in chunks of a size, or as memory has it."""
    data = load(config.data.dataset, config.data.train_size, config.data.test_size)
    arms = arms_of(config.arms.placements, config.arms.rates)
    tasks = {CASE: task_of(config, data, arms, cut)}
    return of_tasks(
        command_line("compare", config),
        config,
        tasks,
        tables=partial(_tables, config, arms),
        compared={"results.csv": 3, "history.csv": 4},
        figures=partial(_figures, config, data, arms),
        show=partial(_show, config, data, arms),
        point=0.01,
    )


def task_of(
    config: Compare, data: Dataset, arms: Sequence[Arm], cut: Layout | int | None = None
) -> Task:
    """What is compiled, and what it runs on."""
    settings, seeds = config.training, config.arms.seeds
    sizes = (data.inputs, *config.network.widths, data.classes)
    architecture = Perceptron(sizes, config.network.activation)
    steps = len(data.y_train) // settings.batch_size
    problem = Problem(data, np.array(config.arms.seed, np.uint32))
    recipes = recipe.with_rates(
        rate_rows(arms, architecture.sites, architecture.depth),
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    plan = Plan(architecture, settings.batch_size, steps, settings.epochs)
    return Task(plan, problem, recipes, memory.fitted(plan, seeds, len(arms), cut))


def _tables(config: Compare, arms: Sequence[Arm], histories: Histories) -> Files:
    epochs, history = block_ends(config.training.epochs), histories[CASE]
    return {
        "config.json": as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(arms, history.metrics[-1]),
        "history.csv": report.history_csv(arms, epochs, history.metrics),
        **conclusion(config, summarise(arms, history.metrics[-1])).file(),
    }


def _figures(config: Compare, data: Dataset, arms: Sequence[Arm], histories: Histories) -> Files:
    caption, metrics = report.describe(config, data), histories[CASE].metrics
    epochs, summaries = block_ends(config.training.epochs), summarise(arms, metrics[-1])
    figures = {
        "accuracy.png": plots.accuracy(arms, metrics[-1], caption),
        "differences.png": plots.differences(summaries, caption),
        "curves.png": plots.curves(arms, epochs, metrics, caption),
    }
    return {**figures, "report.html": comparison(config, summaries, caption, figures)}


def _show(config: Compare, data: Dataset, arms: Sequence[Arm], histories: Histories) -> None:
    seeds, final = config.arms.seeds, histories[CASE].metrics[-1]
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
