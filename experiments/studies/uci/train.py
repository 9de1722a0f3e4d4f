"""Training, sampling and scoring of all splits and seeds of a set at once."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Key

from experiments.studies.uci.data import Splits
from experiments.studies.uci.network import DROPOUT, Network, Numbers
from experiments.studies.uci.protocol import Hyperparameters, Protocol
from experiments.studies.uci.score import Result, score
from experiments.training import fit
from experiments.training.fit import Plan
from experiments.training.inputs import Inputs
from experiments.training.sweep import Moment, Tick


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
    splits, chosen = _of_networks(problem)
    own = _numbers(splits, chosen), splits.x_train, splits.y_train
    epochs, keys = problem.protocol.epochs, problem.keys
    params = fit.fit(problem.plan, epochs, (), keys.ravel(), *own, tick=tick)
    begun = time.monotonic()
    one_pass = _one_pass(problem.network, params, splits, chosen.rate)
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


def _one_pass(network: Network, params: Any, splits: Splits, rate: np.ndarray) -> Partial:
    """A function of a key; its arrays are traced."""
    arrays = splits.x_test, rate, splits.mean, splits.scale
    return Partial(network.one_pass, params, *(jnp.asarray(one, jnp.float32) for one in arrays))


def _numbers(splits: Splits, chosen: Hyperparameters) -> Numbers:
    """The regulariser of the protocol, and that of learned rates in the unit of the loss."""
    rate, precision, weight_reg = chosen
    size = splits.y_train.shape[1]
    decay = weight_reg * (1 - rate) / (2 * size * precision)
    entropy = 2 / (size * precision * splits.scale[:, 0] ** 2)
    return Numbers(*(jnp.asarray(number, jnp.float32) for number in (rate, decay, entropy)))
