"""Training, sampling and scoring of all splits and seeds of a set at once, and the arms beside.

The arms tell what the published hyperparameters are worth.
"""

import itertools
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Key

from experiments.studies.uci import data
from experiments.studies.uci.config import Arm, Hyperparameters, Protocol
from experiments.studies.uci.data import Splits
from experiments.studies.uci.network import CONCRETE, DROPOUT, Network, Numbers, Result, score
from experiments.training import fit
from experiments.training.fit import Plan
from experiments.training.inputs import Inputs
from experiments.training.sweep import Moment, Tick

KEPT = 0.8  # share of a training split that trains in the search; the rest validates, as published
RATES = (0.005, 0.01, 0.05, 0.1)
PRECISIONS = (2.0, 5.0, 10.0, 20.0)  # over the variance of the targets, where no file names any
START = 0.1  # where learned rates begin
SEARCH_SAMPLES = 500


class Problem(NamedTuple):
    """A set, and how its networks are trained and sampled; arms differ in the last two fields."""

    folder: Path
    splits: Splits
    protocol: Protocol
    seeds: Key[Array, " seeds"]
    samples: int
    chosen: Hyperparameters
    network: Network = DROPOUT

    @property
    def keys(self) -> Key[Array, "splits seeds"]:
        """Of each network."""
        count = len(self.splits.mean)
        return jax.vmap(lambda key: jax.random.split(key, count), out_axes=1)(self.seeds)

    @property
    def plan(self) -> Plan:
        """What is compiled."""
        _, examples, features = self.splits.x_train.shape
        sizes, batch = (features, *self.protocol.hidden, 1), self.protocol.batch_size
        return Plan(self.network.init, self.network.loss, sizes, batch, -(-examples // batch))


def run(problem: Problem, tick: Tick = lambda _: None) -> Result:
    """Of every split and seed."""
    epochs, keys = problem.protocol.epochs, problem.keys
    splits, chosen = _of_networks(problem)
    own = _numbers(splits, chosen), splits.x_train, splits.y_train
    params = fit.fit(problem.plan, epochs, (), keys.ravel(), *own, tick=tick)
    begun = time.monotonic()
    arrays = splits.x_test, chosen.rate, splits.mean, splits.scale
    traced = (jnp.asarray(one, jnp.float32) for one in arrays)
    one_pass = Partial(problem.network.one_pass, params, *traced)
    samples = problem.samples if chosen.rate.any() else 0  # without dropout all are equal
    result = score(keys[0, 0], one_pass, splits.y_test, chosen.precision, samples)
    tick(Moment(0, epochs, 0, time.monotonic() - begun))
    return result.of(*keys.shape)


def inputs(problem: Problem) -> Inputs:
    """Digests of what `run` starts from."""
    examples = problem.splits.y_train.shape[1]
    return fit.inputs(problem.plan, problem.keys.ravel(), problem.splits, examples)


def _of_networks(problem: Problem) -> tuple[Splits, Hyperparameters]:
    """Each split, and its numbers, once for each of its seeds."""
    count, seeds = problem.keys.shape
    chosen = (np.broadcast_to(number, count) for number in problem.chosen)
    each = problem.splits, Hyperparameters(*chosen)
    return jax.tree.map(lambda leaf: np.repeat(leaf, seeds, axis=0), each)


def _numbers(splits: Splits, chosen: Hyperparameters) -> Numbers:
    """The regulariser of the protocol, and that of learned rates in the unit of the loss."""
    rate, precision, weight_reg = chosen
    size = splits.y_train.shape[1]
    decay = weight_reg * (1 - rate) / (2 * size * precision)
    entropy = 2 / (size * precision * splits.scale[:, 0] ** 2)
    return Numbers(*(jnp.asarray(number, jnp.float32) for number in (rate, decay, entropy)))


def search(problem: Problem, tick: Tick = lambda _: None) -> Hyperparameters:
    """For each split the rate and the precision that do best on the held-out end of its rows."""
    tried = tries(problem)

    def likelihood(number: int) -> np.ndarray:
        result = run(tried[number], lambda moment: tick(moment._replace(chunk=number)))
        return result.log_likelihood[-1, :, 0]

    best = np.argmax([*map(likelihood, range(len(tried)))], axis=0)
    rate, precision, _ = np.array([one.chosen for one in tried])[best].T
    return problem.chosen._replace(rate=rate, precision=precision)


def tries(problem: Problem) -> list[Problem]:
    """What the search trains."""
    splits, samples = hold_out(problem.splits), min(problem.samples, SEARCH_SAMPLES)
    inner = problem._replace(splits=splits, seeds=problem.seeds[:1], samples=samples)
    of_pairs = itertools.product(*grid(problem), [problem.chosen.weight_reg])
    return [inner._replace(chosen=Hyperparameters(*numbers)) for numbers in of_pairs]


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
    rate = {"off": 0.0, "concrete": START}.get(arm, problem.chosen.rate)
    network = CONCRETE if arm == "concrete" else problem.network
    return problem._replace(chosen=problem.chosen._replace(rate=rate), network=network)
