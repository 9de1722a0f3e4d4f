"""From settings and data to all that tables and figures need."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.train import seed_keys
from experiments.uncertainty import measure, regression, train
from experiments.uncertainty.claim import Table
from experiments.uncertainty.config import Uncertainty
from experiments.uncertainty.data import Digits
from experiments.uncertainty.measure import Passes


class Found(NamedTuple):
    """Of all seeds."""

    table: Table
    means: list[dict[str, Passes]]
    information: list[Passes]
    curves: regression.Curves


def find(config: Uncertainty, digits: Digits) -> Found:
    """Trains all networks, then takes each seed's passes apart."""
    sizes = (digits.x_train.shape[1], *config.widths, digits.classes)
    batch = min(50, config.train_size)
    plan = train.Plan(sizes, config.epochs, batch, train.cross_entropy)
    keys = seed_keys(config.seed, config.seeds)
    members = jax.vmap(lambda key: jax.random.split(key, config.members))(keys)
    rate = jnp.float32(config.rate)
    networks = train.fit(plan, members.ravel(), digits.x_train, digits.y_train, rate)
    results, means, information = [], [], []
    for seed, key in enumerate(keys):
        first = seed * config.members
        own = jax.tree.map(lambda leaf, i=first: leaf[i : i + config.members], networks)
        passes = measure.passes(own, digits, config.rate, key, config.samples)
        results.append(measure.by_count(passes, digits.y_test))
        means.append({arm: part.first(len(part.test)) for arm, part in passes.items()})
        information.append(measure.information(passes["MC dropout"]))
    curves = regression.curves(keys[0], config.members, config.samples, 10 * config.epochs)
    return Found(measure.stack(results), means, information, curves)
