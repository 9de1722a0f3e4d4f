"""What is run beside the published hyperparameters, to see what they are worth."""

import itertools
from typing import Literal

import numpy as np

from experiments.studies.uci import data, train
from experiments.studies.uci.data import Splits
from experiments.studies.uci.network import CONCRETE
from experiments.studies.uci.protocol import Hyperparameters
from experiments.studies.uci.train import Problem
from experiments.training.sweep import Moment, Tick

Arm = Literal["off", "searched", "concrete"]
KEPT = 0.8  # share of a training split that trains in the search; the rest validates, as published
RATES = (0.005, 0.01, 0.05, 0.1)
PRECISIONS = (2.0, 5.0, 10.0, 20.0)  # over the variance of the targets, where no file names any
START = 0.1  # where learned rates begin
SEARCH_SAMPLES = 500


def search(problem: Problem, tick: Tick = lambda _: None) -> Hyperparameters:
    """For each split the rate and the precision that do best on the held-out end of its rows."""
    tried = tries(problem)

    def likelihood(number: int) -> np.ndarray:
        def of_this(moment: Moment) -> None:
            tick(moment._replace(chunk=number))

        return train.run(tried[number], of_this).log_likelihood[-1, :, 0]

    best = np.argmax([*map(likelihood, range(len(tried)))], axis=0)
    rate, precision, _ = np.array([one.chosen for one in tried])[best].T
    return Hyperparameters(rate, precision, problem.chosen.weight_reg)


def tries(problem: Problem) -> list[Problem]:
    """What the search trains."""
    samples, weight_reg = min(problem.samples, SEARCH_SAMPLES), problem.chosen.weight_reg
    inner = problem._replace(
        splits=hold_out(problem.splits), seeds=problem.seeds[:1], samples=samples
    )
    pairs = itertools.product(*grid(problem))
    return [inner._replace(chosen=Hyperparameters(*pair, weight_reg)) for pair in pairs]


def hold_out(splits: Splits) -> Splits:
    """The training rows alone, of which the last ones test; no row to test is looked at."""
    kept = int(KEPT * splits.y_train.shape[1])
    return splits._replace(
        x_train=splits.x_train[:, :kept],
        y_train=splits.y_train[:, :kept],
        x_test=splits.x_train[:, kept:],
        y_test=splits.y_train[:, kept:] * splits.scale + splits.mean,
    )


def grid(problem: Problem) -> tuple[list[float], list[float]]:
    """Rates and precisions: the published ones where the folder has them."""
    files = [problem.folder / name for name in ("dropout_rates.txt", "tau_values.txt")]
    if all(file.exists() for file in files):
        rates, precisions = (data.numbers(file, 1).tolist() for file in files)
        return rates, precisions
    variance = float(np.square(problem.splits.scale).mean())
    return list(RATES), [precision / variance for precision in PRECISIONS]


def of_arm(arm: Arm, problem: Problem) -> Problem:
    """What it trains; the numbers of `searched` are yet to be found."""
    if arm == "off":
        return problem._replace(chosen=problem.chosen._replace(rate=0.0))
    if arm == "concrete":
        return problem._replace(chosen=problem.chosen._replace(rate=START), network=CONCRETE)
    return problem
