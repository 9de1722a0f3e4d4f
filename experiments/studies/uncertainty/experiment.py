"""From settings and data to all that tables and figures need."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from experiments.models.layers import Layers
from experiments.studies.uncertainty import measure, network, regression
from experiments.studies.uncertainty.config import Uncertainty
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.measure import ByArm, Passes
from experiments.training import fit
from experiments.training.fit import Plan
from experiments.training.inputs import Inputs
from experiments.training.keys import seed_keys
from experiments.training.sweep import Checkpoints


class Results(NamedTuple):
    """Of all seeds: the scores, the mean of each arm's passes, and how far passes disagree."""

    table: ByArm
    means: list[Mapping[str, Passes]]
    information: list[Passes]
    curves: regression.Curves


def inputs(config: Uncertainty, digits: Digits) -> Inputs:
    """Digests of what the networks start from."""
    return fit.inputs(_plan(config, digits), _keys(config), digits, len(digits.y_train))


def run(config: Uncertainty, digits: Digits, checkpoints: Checkpoints) -> Results:
    """Trains all networks, then takes each seed's passes apart."""
    networks, keys = _networks(config, digits, checkpoints), seed_keys(config.seed, config.seeds)
    scores, means, information = [], [], []
    for seed, key in enumerate(keys):
        members = slice(seed * config.members, (seed + 1) * config.members)
        own = jax.tree.map(lambda leaf, members=members: leaf[members], networks)
        passes = measure.passes(own, digits, config.rate, key, config.samples)
        scores.append(measure.by_count(passes, digits.y_test))
        means.append({arm: all.first(len(all.test)) for arm, all in passes.items()})
        information.append(measure.information(passes["MC dropout"]))
        checkpoints.pause()
    curves = regression.curves(keys[0], config.members, config.samples, 10 * config.epochs)
    return Results(measure.stack(scores), means, information, curves)


def _networks(config: Uncertainty, digits: Digits, checkpoints: Checkpoints) -> Layers:
    """Of all seeds and members; kept at once, for they take most of the time."""
    plan, numbers = _plan(config, digits), (jnp.int32(config.epochs), jnp.float32(config.rate))
    shared = (*numbers, jnp.asarray(digits.x_train), jnp.asarray(digits.y_train))
    names = [(f"kernel{layer}", f"bias{layer}") for layer in range(len(plan.sizes) - 1)]

    def trained() -> dict[str, np.ndarray]:
        leaves = jax.tree.leaves(fit.fit(plan, shared, _keys(config)))
        return dict(zip(itertools.chain(*names), leaves, strict=True))

    kept = checkpoints.part("networks", trained)
    return [(jnp.asarray(kept[kernel]), jnp.asarray(kept[bias])) for kernel, bias in names]


def _keys(config: Uncertainty) -> Key[Array, " networks"]:
    """Seed after seed, those of its members."""
    split = jax.vmap(lambda key: jax.random.split(key, config.members))
    return split(seed_keys(config.seed, config.seeds)).ravel()


def _plan(config: Uncertainty, digits: Digits) -> Plan:
    sizes = (digits.x_train.shape[1], *config.widths, digits.classes)
    batch = min(50, config.train_size)
    return Plan(network.init, network.cross_entropy, sizes, batch, len(digits.y_train) // batch)
