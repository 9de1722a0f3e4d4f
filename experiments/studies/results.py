"""From the cases of a design to tasks, and from histories to every measure of seeds and arms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from experiments.report.intervals import Interval, interval
from experiments.studies.design import Case, Design, Measured
from experiments.studies.settings import Protocol
from experiments.training import ahead, memory, recipe
from experiments.training.chunks import Layout
from experiments.training.evaluate import Measurement
from experiments.training.sweep import Histories, Task
from experiments.training.task import Metrics, Plan, Problem

Cut = Mapping[str, Layout] | int | None
"""How work is cut up: each task as it was, in chunks of a size, or as memory has it."""
Tasks = Mapping[str, Task]
Seeds = tuple[int, int]
"""From one to before another."""
LABELS = {name: name.replace("_", " ").replace("nll", "NLL") for name in Metrics._fields}
ERRORS = {
    name: label.replace("accuracy", "MAE").replace("NLL", "MSE") for name, label in LABELS.items()
}
"""What metrics are called where targets are labels, and where they are real numbers."""


@dataclass(frozen=True)
class Result:
    """Of a case: after which epochs it was measured, and what then."""

    epochs: list[int]
    metrics: list[Metrics]
    history: list[Measured]
    final: Measured
    images: Mapping[str, np.ndarray]
    """Of what test images have values of their own: seeds by arms by images."""

    def course(self, measure: str) -> np.ndarray:
        """Means over seeds: epochs by arms."""
        return np.stack([np.asarray(table[measure]).mean(0) for table in self.history])

    def interval(self, measure: str, arms: Any, to_first: bool = False) -> Interval:
        """Of one arm or several; or of their differences to the first, paired."""

        def of_arms(table: Any) -> np.ndarray:
            table = np.asarray(table)
            first = table[:, :1] if np.ndim(arms) else table[:, 0]
            return table[:, arms] - first if to_first else table[:, arms]

        images = None if measure not in self.images else of_arms(self.images[measure])
        return interval(of_arms(self.final[measure]), table=images)

    def distinct(self, groups: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Groups of arms; those that came out equal in every number are one, of both names."""
        names: dict[bytes, list[str]] = {}
        for name, arms in groups.items():
            tables = map(np.asarray, self.final.values())
            numbers = b"".join(table[:, arms].tobytes() for table in tables)
            names.setdefault(numbers, []).append(name)
        return {" = ".join(equal): list(groups[equal[0]]) for equal in names.values()}


Results = Mapping[str, Result]


def looks(design: Design, protocol: Protocol, ends: Sequence[int], cut: Cut = None) -> list[Tasks]:
    """What is compiled for each case; a further group of seeds up to each of the `ends`."""

    def tasks(look: int, seeds: Seeds) -> Tasks:
        found: dict[str, Task] = {}
        for title, case in design.cases.items():
            name = _name(title, look, len(ends))
            own = cut.get(name) if isinstance(cut, Mapping) else cut
            found[name] = task(case, protocol, seeds, own)
        return found

    return [tasks(look, seeds) for look, seeds in enumerate(pairwise([0, *ends]), 1)]


def _name(case: str, look: int, looks: int) -> str:
    return f"{case}, look {look}" if looks > 1 else case


def task(case: Case, protocol: Protocol, seeds: Seeds, cut: Layout | int | None = None) -> Task:
    """What is compiled for one case and some seeds."""
    size = min(protocol.train_size, len(case.data.y_train))
    given = {"held_out": 0, "train_size": size, **case.plan}
    images = given["train_size"] - given["held_out"]
    batch = min(protocol.batch_size, images)
    steps = {"steps_per_epoch": images // batch, "epochs": protocol.epochs}
    plan = Plan(case.architecture, batch_size=batch, **steps, **given)
    recipes = recipe.stack(case.recipes(learning_rate=protocol.learning_rate))
    layout = memory.fitted(plan, seeds, len(case.arms), cut)
    task = Task(plan, Problem(case.data, np.array(protocol.seed, np.uint32)), recipes, layout)
    return ahead.fitted(task) if cut is None else task


def results(design: Design, looks: Sequence[Tasks], histories: Histories) -> dict[str, Result]:
    """What came out of each case, at all looks that were taken."""

    def result(title: str, case: Case) -> Result:
        names = [_name(title, look, len(looks)) for look in range(1, len(looks) + 1)]
        taken = [histories[name] for name in names if name in histories]
        blocks = zip(*([block.measured for block in one.blocks] for one in taken), strict=True)
        of_all_seeds = [jax.tree.map(lambda *some: np.concatenate(some), *each) for each in blocks]
        return _result(case, looks[0][names[0]].plan.ends, of_all_seeds)

    return {title: result(title, case) for title, case in design.cases.items()}


def _result(case: Case, ends: list[int], blocks: list[Measurement]) -> Result:
    names = LABELS if case.data.has_classes else ERRORS

    def in_unit(name: str, values: object) -> np.ndarray:
        """Accuracies in %, for everything below is in points."""
        return (100 if "accuracy" in names.get(name, "") else 1) * np.asarray(values)

    history: list[Measured] = [
        {shown: in_unit(name, getattr(block.metrics, name)) for name, shown in names.items()}
        | {name: np.asarray(values) for name, values in block.probed.items()}
        for block in blocks
    ]
    final = {**history[-1], **case.derive(ends, history)}
    images = {names.get(name, name): in_unit(name, values)
              for name, values in blocks[-1].images.items()}  # fmt: skip
    return Result(ends, [block.metrics for block in blocks], history, final, images)
