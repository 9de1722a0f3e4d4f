"""From the cases of a design to tasks, and from histories to every measure of seeds and arms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from experiments.studies.design import Case, Design, Measured, Protocol
from experiments.training import memory, recipe
from experiments.training.chunks import Layout
from experiments.training.sweep import Block, Histories, Task
from experiments.training.task import Metrics, Plan, Problem

Cut = Mapping[str, Layout] | int | None
"""How work is cut up: each case as it was, in chunks of a size, or as memory has it."""


@dataclass(frozen=True)
class Result:
    """Of a case: after which epochs it was measured, and what then."""

    epochs: list[int]
    metrics: list[Metrics]
    history: list[Measured]
    final: Measured

    def course(self, measure: str) -> np.ndarray:
        """Means over seeds: epochs by arms."""
        return np.stack([np.asarray(table[measure]).mean(0) for table in self.history])


def tasks(design: Design, protocol: Protocol, cut: Cut = None) -> dict[str, Task]:
    """What is compiled for each case."""
    cuts = cut if isinstance(cut, Mapping) else dict.fromkeys(design.cases, cut)
    return {title: task(case, protocol, cuts.get(title)) for title, case in design.cases.items()}


def task(case: Case, protocol: Protocol, cut: Layout | int | None = None) -> Task:
    """What is compiled for one."""
    given = {"held_out": 0, **case.plan}
    images = len(case.data.y_train) - given["held_out"]
    batch = min(protocol.batch_size, images)
    plan = Plan(case.architecture, batch, images // batch, protocol.epochs, **given)
    recipes = recipe.stack(case.recipes(learning_rate=protocol.learning_rate))
    layout = memory.fitted(plan, protocol.seeds, len(case.arms), cut)
    return Task(plan, Problem(case.data, np.array(protocol.seed, np.uint32)), recipes, layout)


def results(design: Design, tasks: Mapping[str, Task], histories: Histories) -> dict[str, Result]:
    """What came out of each case."""
    return {
        title: _result(case, tasks[title], histories[title].blocks)
        for title, case in design.cases.items()
    }


def _result(case: Case, task: Task, blocks: list[Block]) -> Result:
    ends, history = task.plan.ends, [_measured(block) for block in blocks]
    final = {**history[-1], **case.derive(ends, history)}
    return Result(ends, [block.metrics for block in blocks], history, final)


def _measured(block: Block) -> Measured:
    """Accuracies in %, for everything below is in points."""
    train, test = (100 * np.asarray(values) for values in block.metrics[::2])
    return {
        "test accuracy": test,
        "test NLL": np.asarray(block.metrics.test_nll),
        "train accuracy": train,
        "train NLL": np.asarray(block.metrics.train_nll),
        **block.probed,
    }
