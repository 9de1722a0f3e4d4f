"""The smallest comparison that still compares; tests share its compiled programs."""

import functools
from collections.abc import Sequence

import numpy as np

from experiments.data.images import load
from experiments.models import Activation
from experiments.studies import results
from experiments.studies.compare.design import CASE, Point, design, grid
from experiments.studies.compare.settings import (
    PLACEMENTS,
    Arms,
    Compare,
    Data,
    Network,
    Placement,
    Training,
)
from experiments.training.chunks import Layout
from experiments.training.sweep import Task, run
from experiments.training.task import Metrics

ARGUMENTS = "--train-size 60 --test-size 90 --widths 12 8 --epochs 3 --batch-size 20".split()
RATES = (0.3, 0.7)


def config(
    activation: Activation = "relu",
    rates=RATES,
    widths=(12, 8),
    placements: tuple[Placement, ...] = PLACEMENTS,
    **training,
) -> Compare:
    return Compare(
        Arms(placements, rates, seeds=2),
        Data(train_size=60, test_size=90),
        Network(widths, activation),
        Training(**{"epochs": 3, "batch_size": 20, **training}),
    )


def task(settings: Compare, cut: Layout | int | None = None) -> Task:
    """Of a comparison what is compiled."""
    seeds = (0, settings.arms.seeds)
    return results.task(design(settings).cases[CASE], settings.protocol, seeds, cut)


@functools.cache
def digits():
    return load("digits", 60, 90, "fixed")


@functools.cache
def history(
    activation: Activation = "relu", rates=RATES, widths=(12, 8)
) -> tuple[list[Point], list[Metrics]]:
    settings = config(activation, rates, widths)
    return grid(PLACEMENTS, rates), run(task(settings)).metrics


def of(points: Sequence[Point], metrics: Metrics, placement: str) -> np.ndarray:
    """Every metric of a placement: metric, seed, rate."""
    rows = [index for index, point in enumerate(points) if point.placement == placement]
    return np.stack(metrics)[..., rows]
