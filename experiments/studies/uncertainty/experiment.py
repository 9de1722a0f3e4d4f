"""From settings and data to all that tables and figures need."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from experiments.studies.uncertainty import measure, regression, train
from experiments.studies.uncertainty.claim import ByArm
from experiments.studies.uncertainty.config import Uncertainty
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.measure import Passes
from experiments.studies.uncertainty.train import Params, Plan
from experiments.training.inputs import Inputs, of_networks
from experiments.training.keys import seed_keys
from experiments.training.sweep import Checkpoints


class Found(NamedTuple):
    """Of all seeds."""

    table: ByArm
    means: list[dict[str, Passes]]
    information: list[Passes]
    curves: regression.Curves


def inputs(config: Uncertainty, digits: Digits) -> Inputs:
    """Digests of what the networks start from."""
    plan = _plan(config, digits)
    return of_networks(
        digits, _keys(config).ravel(), len(digits.y_train), plan.batch_size, plan.sizes[:-1]
    )


def find(config: Uncertainty, digits: Digits, checkpoints: Checkpoints) -> Found:
    """Trains all networks, then takes each seed's passes apart."""
    networks = _networks(config, digits, checkpoints)
    results, means, information = [], [], []
    keys = seed_keys(config.seed, config.seeds)
    for seed, key in enumerate(keys):
        first = seed * config.members
        own = jax.tree.map(lambda leaf, i=first: leaf[i : i + config.members], networks)
        passes = measure.passes(own, digits, config.rate, key, config.samples)
        results.append(measure.by_count(passes, digits.y_test))
        means.append({arm: part.first(len(part.test)) for arm, part in passes.items()})
        information.append(measure.information(passes["MC dropout"]))
        checkpoints.pause()
    curves = regression.curves(keys[0], config.members, config.samples, 10 * config.epochs)
    return Found(measure.stack(results), means, information, curves)


def _networks(config: Uncertainty, digits: Digits, checkpoints: Checkpoints) -> Params:
    """The trained ones of all seeds and members; one part, for they take most of the time."""
    plan, keys, rate = _plan(config, digits), _keys(config).ravel(), jnp.float32(config.rate)

    def fitted() -> dict[str, np.ndarray]:
        layers = train.fit(plan, keys, digits.x_train, digits.y_train, rate)
        named = zip(("kernel", "bias"), zip(*layers, strict=True), strict=True)
        return {
            f"{name}{layer}": np.asarray(leaf)
            for name, leaves in named
            for layer, leaf in enumerate(leaves)
        }

    kept, layers = checkpoints.part("networks", fitted), range(len(plan.sizes) - 1)
    return [
        (jnp.asarray(kept[f"kernel{layer}"]), jnp.asarray(kept[f"bias{layer}"])) for layer in layers
    ]


def _keys(config: Uncertainty) -> Key[Array, "seeds members"]:
    split = jax.vmap(lambda key: jax.random.split(key, config.members))
    return split(seed_keys(config.seed, config.seeds))


def _plan(config: Uncertainty, digits: Digits) -> Plan:
    sizes = (digits.x_train.shape[1], *config.widths, digits.classes)
    return Plan(sizes, config.epochs, min(50, config.train_size), train.cross_entropy)
