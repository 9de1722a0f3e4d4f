"""Where should dropout stand? Every placement, rate and seed in one compiled program."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
from rich.console import Console
from rich.progress import track

from experiments import plots, report, runs, train
from experiments.config import Compare, Folder
from experiments.data import Dataset, load
from experiments.models import Architecture
from experiments.placements import Arm, arms_of, rate_rows
from experiments.statistics import summarise
from experiments.train import Metrics, Plan, Problem


def compare(config: Compare, folder: Folder) -> None:
    """Trains, prints the table, writes the run folder."""
    path = folder.output or _default_folder(config)
    runs.check_folder(path, folder.overwrite)
    data = load(config.data.dataset, config.data.train_size, config.data.test_size)
    arms = arms_of(config.arms.placements, config.arms.rates)
    history = _train(config, data, arms)
    try:
        _write(path, config, data, arms, history)
    finally:  # a full disk should not cost the results
        _print(config, data, arms, history[-1])
    print(f"Written to {path}")


def _default_folder(config: Compare) -> Path:
    return Path("runs", f"compare-{Path(config.data.dataset).stem}-{config.network.activation}")


def _train(config: Compare, data: Dataset, arms: Sequence[Arm]) -> list[Metrics]:
    """The metrics at the end of each block, with a progress bar that hangs on them."""
    plan, problem = program(config, data, arms)
    return list(
        track(
            train.run(plan, problem),
            f"Training {len(arms)} arms × {config.arms.seeds} seeds",
            total=len(train.block_ends(plan.epochs)),
            console=Console(file=sys.stderr),
        )
    )


def program(config: Compare, data: Dataset, arms: Sequence[Arm]) -> tuple[Plan, Problem]:
    """What is compiled, and what it runs on."""
    training, seeds = config.training, config.arms
    sizes = (data.inputs, *config.network.widths, data.classes)
    architecture = Architecture(sizes, config.network.activation)
    steps = len(data.y_train) // training.batch_size
    problem = Problem(
        Dataset(*map(jnp.asarray, data)),
        jnp.asarray(rate_rows(arms, architecture.sites, architecture.depth)),
        train.seed_keys(seeds.seed, seeds.seeds),
        jnp.float32(training.learning_rate),
        jnp.float32(training.weight_decay),
    )
    return Plan(architecture, training.batch_size, steps, training.epochs), problem


def _write(
    path: Path, config: Compare, data: Dataset, arms: Sequence[Arm], history: Sequence[Metrics]
) -> None:
    caption = report.describe(config, data)
    epochs = train.block_ends(config.training.epochs)
    files = {
        "config.json": runs.as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(arms, history[-1]),
        "curves.png": plots.curves(arms, epochs, history, caption),
        "accuracy.png": plots.accuracy(arms, history[-1], caption),
    }
    runs.write(path, files, runs.manifest(config.arms.seed, data, files))


def _print(config: Compare, data: Dataset, arms: Sequence[Arm], final: Metrics) -> None:
    seeds, summaries = config.arms.seeds, summarise(arms, final)
    console = Console(highlight=False)
    console.print(report.table(summaries, seeds))
    for line in (
        report.describe(config, data),
        report.legend(seeds),
        report.twins(arms, final),
        report.verdict(summaries, seeds),
    ):
        console.print(line)
