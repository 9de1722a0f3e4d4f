"""What is run beside the published hyperparameters, to see what they are worth."""

import itertools
from collections.abc import Callable
from typing import Literal

import numpy as np

from experiments.studies.uci import data, train
from experiments.studies.uci.data import Splits
from experiments.studies.uci.network import CONCRETE
from experiments.studies.uci.protocol import Hyperparameters
from experiments.studies.uci.train import Problem

Arm = Literal["off", "searched", "concrete"]
KEPT = 0.8  # share of a training split that trains in the search; the rest validates, as published
RATES = (0.005, 0.01, 0.05, 0.1)
PRECISIONS = (2.0, 5.0, 10.0, 20.0)  # over the variance of the targets, where no file names any
START = 0.1  # where learned rates begin
SEARCH_SAMPLES = 500


def search(problem: Problem) -> Hyperparameters:
    """For each split the rate and the precision that do best on the held-out end of its rows."""
    samples, weight_reg = min(problem.samples, SEARCH_SAMPLES), problem.chosen.weight_reg
    inner = problem._replace(
        splits=hold_out(problem.splits), seeds=problem.seeds[:1], samples=samples
    )
    pairs = list(itertools.product(*grid(problem)))
    tried = [inner._replace(chosen=Hyperparameters(*pair, weight_reg)) for pair in pairs]
    likelihoods = [train.run(one).log_likelihood[-1, :, 0] for one in tried]
    best = np.array(pairs)[np.argmax(likelihoods, axis=0)]
    return Hyperparameters(best[:, 0], best[:, 1], weight_reg)


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


def _off(problem: Problem) -> Problem:
    return problem._replace(chosen=problem.chosen._replace(rate=0.0))


def _searched(problem: Problem) -> Problem:
    return problem._replace(chosen=search(problem))


def _concrete(problem: Problem) -> Problem:
    return problem._replace(chosen=problem.chosen._replace(rate=START), network=CONCRETE)


ARMS: dict[Arm, Callable[[Problem], Problem]] = {
    "off": _off,
    "searched": _searched,
    "concrete": _concrete,
}
