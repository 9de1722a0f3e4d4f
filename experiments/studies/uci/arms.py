"""What is run beside the published hyperparameters, to see what they are worth."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Key

from experiments.studies.uci import data
from experiments.studies.uci.concrete import CONCRETE
from experiments.studies.uci.data import Splits
from experiments.studies.uci.protocol import Hyperparameters, Protocol
from experiments.studies.uci.score import Result
from experiments.studies.uci.train import run

Arm = Literal["off", "searched", "concrete"]
KEPT = 0.8  # share of a training split that trains in the search; the rest validates, as published
RATES = (0.005, 0.01, 0.05, 0.1)
PRECISIONS = (2.0, 5.0, 10.0, 20.0)  # over the variance of the targets, where no file names any
START = 0.1  # where learned rates begin
SEARCH_SAMPLES = 500


class Problem(NamedTuple):
    """What all arms of a set have in common."""

    folder: Path
    splits: Splits
    protocol: Protocol
    chosen: Hyperparameters
    keys: Key[Array, " seeds"]
    samples: int


def run_arm(name: Arm, problem: Problem) -> Result:
    """Trains, samples and scores one of them."""
    chosen, network = problem.chosen, {}
    if name == "off":
        chosen = chosen._replace(rate=0.0)
    elif name == "searched":
        chosen = search(problem)
    else:
        chosen, network = chosen._replace(rate=START), {"network": CONCRETE}
    return run(problem.splits, problem.protocol, chosen, problem.keys, problem.samples, **network)


def search(problem: Problem) -> Hyperparameters:
    """For each split the rate and the precision that do best on the held-out end of its rows."""
    inner, chosen = hold_out(problem.splits), problem.chosen
    rates, precisions = _grid(problem)
    pairs = [(rate, precision) for rate in rates for precision in precisions]
    likelihoods = [
        run(inner, problem.protocol, Hyperparameters(*pair, chosen.weight_reg), problem.keys[:1],
            min(problem.samples, SEARCH_SAMPLES)).log_likelihood[-1, :, 0]
        for pair in pairs
    ]  # fmt: skip
    best = np.array(pairs)[np.argmax(likelihoods, axis=0)]
    return Hyperparameters(best[:, 0], best[:, 1], chosen.weight_reg)


def hold_out(splits: Splits) -> Splits:
    """The training rows alone, of which the last ones test; no row to test is looked at."""
    kept = int(KEPT * splits.y_train.shape[1])
    held = splits.y_train[:, kept:] * splits.scale + splits.mean
    return splits._replace(
        x_train=splits.x_train[:, :kept],
        y_train=splits.y_train[:, :kept],
        x_test=splits.x_train[:, kept:],
        y_test=held,
    )


def _grid(problem: Problem) -> tuple[list[float], list[float]]:
    """The published grid where the folder has it."""
    files = [problem.folder / name for name in ("dropout_rates.txt", "tau_values.txt")]
    if all(file.exists() for file in files):
        rates, precisions = (data.numbers(file, 1).tolist() for file in files)
        return rates, precisions
    variance = float(np.square(problem.splits.scale).mean())
    return list(RATES), [precision / variance for precision in PRECISIONS]
