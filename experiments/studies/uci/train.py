"""Training, sampling and scoring of all splits and seeds of a set at once."""

from pathlib import Path
from typing import NamedTuple

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


def run(problem: Problem) -> Result:
    """Of every split and seed."""
    keys, epochs = problem.keys, jnp.int32(problem.protocol.epochs)
    count, seeds = keys.shape
    splits = jax.tree.map(lambda leaf: np.repeat(leaf, seeds, axis=0), problem.splits)
    chosen = Hyperparameters(
        *(np.repeat(np.broadcast_to(part, count), seeds) for part in problem.chosen)
    )
    own = _numbers(splits, chosen), splits.x_train, splits.y_train
    params = fit.fit(problem.plan, (epochs,), keys.ravel(), *own)
    given = splits.x_test, chosen.rate, splits.mean, splits.scale
    arrays = (jnp.asarray(array, jnp.float32) for array in given)
    one_pass = Partial(problem.network.one_pass, params, *arrays)
    samples = problem.samples if chosen.rate.any() else 0
    result = score(keys[0, 0], one_pass, splits.y_test, chosen.precision, samples)
    return result.of(count, seeds)


def inputs(problem: Problem) -> Inputs:
    """Digests of what `run` starts from."""
    examples = problem.splits.y_train.shape[1]
    return fit.inputs(problem.plan, problem.keys.ravel(), problem.splits, examples)


def _numbers(splits: Splits, chosen: Hyperparameters) -> Numbers:
    """The regulariser of the protocol, and that of learned rates in the unit of the loss."""
    rate, precision, weight_reg = chosen
    size = splits.y_train.shape[1]
    decay = weight_reg * (1 - rate) / (2 * size * precision)
    entropy = 2 / (size * precision * splits.scale[:, 0] ** 2)
    return Numbers(*(jnp.asarray(number, jnp.float32) for number in (rate, decay, entropy)))
