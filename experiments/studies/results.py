"""From the cases of a design to tasks, and from histories to every measure of seeds and arms."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from experiments.studies.design import Case, Design, Measured
from experiments.studies.settings import Settings
from experiments.training import memory, recipe
from experiments.training.chunks import Layout
from experiments.training.sweep import Block, Histories, Task
from experiments.training.task import Plan, Problem


class Result(NamedTuple):
    """Of a case: after which epochs it was measured, and what then."""

    epochs: list[int]
    history: list[Measured]
    final: Measured


def tasks(
    design: Design, settings: Settings, layouts: Mapping[str, Layout] | None = None
) -> dict[str, Task]:
    """What is compiled for each case; cut up as memory has it, or as it was."""
    cuts = layouts or {}
    return {title: _task(case, settings, cuts.get(title)) for title, case in design.cases.items()}


def results(design: Design, tasks: Mapping[str, Task], histories: Histories) -> dict[str, Result]:
    """What came out of each case."""
    return {
        title: _result(case, tasks[title], histories[title].blocks)
        for title, case in design.cases.items()
    }


def _task(case: Case, settings: Settings, cut: Layout | None = None) -> Task:
    given = {"held_out": 0, **case.plan}
    images = len(case.data.y_train) - given["held_out"]
    batch = min(settings.batch_size, images)
    plan = Plan(case.architecture, batch, images // batch, settings.epochs, **given)
    recipes = recipe.stack(case.recipes(learning_rate=settings.learning_rate))
    layout = memory.fitted(plan, settings.seeds, len(case.arms), cut or settings.chunk)
    return Task(plan, Problem(case.data, np.array(settings.seed, np.uint32)), recipes, layout)


def _result(case: Case, task: Task, blocks: list[Block]) -> Result:
    ends, history = task.plan.ends, [_table(block) for block in blocks]
    return Result(ends, history, {**history[-1], **case.derive(ends, history)})


def _table(block: Block) -> Measured:
    """Accuracies in %, for everything below is in points."""
    train, test = (100 * np.asarray(values) for values in block.metrics[::2])
    return {
        "test accuracy": test,
        "test NLL": np.asarray(block.metrics.test_nll),
        "train accuracy": train,
        "train NLL": np.asarray(block.metrics.train_nll),
        **block.probed,
    }
