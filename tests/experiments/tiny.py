"""The smallest comparison that still compares; tests share its compiled programs."""

import functools

import numpy as np

from experiments.data.images import load
from experiments.models import Activation
from experiments.studies.compare.placements import Arm, arms_of
from experiments.studies.compare.run import task_of
from experiments.studies.compare.settings import Arms, Compare, Data, Network, Training
from experiments.training.sweep import run
from experiments.training.task import Metrics

ARGUMENTS = "--train-size 60 --test-size 90 --widths 12 8 --epochs 3 --batch-size 20".split()
RATES = (0.3, 0.7)


def config(activation: Activation = "relu", rates=RATES, widths=(12, 8), **training) -> Compare:
    return Compare(
        Arms(rates=rates, seeds=2),
        Data(train_size=60, test_size=90),
        Network(widths, activation),
        Training(**{"epochs": 3, "batch_size": 20, **training}),
    )


@functools.cache
def digits():
    return load("digits", 60, 90)


@functools.cache
def history(
    activation: Activation = "relu", rates=RATES, widths=(12, 8)
) -> tuple[list[Arm], list[Metrics]]:
    settings = config(activation, rates, widths)
    arms = arms_of(settings.arms.placements, rates)
    return arms, run(task_of(settings, digits(), arms)).metrics


def of(arms: list[Arm], metrics: Metrics, placement: str) -> np.ndarray:
    """Every metric of a placement: metric, seed, rate."""
    rows = [index for index, arm in enumerate(arms) if arm.placement == placement]
    return np.stack(metrics)[..., rows]
