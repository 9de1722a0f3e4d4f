"""Residual networks with batch norm are trained, and the probe sees the shift of variance."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.models import Drop, Residual
from experiments.studies.claims.batchnorm import variance_ratio
from experiments.training import recipe, sweep
from experiments.training.chunks import Layout
from experiments.training.task import Plan, Problem, Trained
from tests.experiments import tiny

ARCHITECTURE = Residual((8, 8, 1), 10, (4,))
ARMS = {"none": {}, "before": {"before_norm*": 0.5}, "last": {"last": 0.5}}


def probe(trained, data, key):
    means = jax.tree.leaves(nnx.filter_state(trained.rest, nnx.BatchStat))
    moved = jnp.stack([jnp.std(leaf) for leaf in means]).min()
    return variance_ratio(trained, data, key) | {"moved": moved}


@functools.cache
def history():
    arms = [recipe.recipe(ARCHITECTURE.sites, ARMS[arm], learning_rate=0.03) for arm in ARMS]
    plan = Plan(ARCHITECTURE, 60, 10, 6, 10, blocks=2, probe=probe)
    problem = Problem(tiny.digits(), np.array(0, np.uint32))
    return sweep.run(sweep.Task(plan, problem, recipe.stack(arms), Layout(2, 3, 3, 8)))


def of(arm, block=-1):
    """What came out for both seeds, metrics and probe."""
    found, index = history().blocks[block].measured, list(ARMS).index(arm)
    tables = {**found.metrics._asdict(), **found.probed}
    return {name: table[:, index] for name, table in tables.items()}


@pytest.mark.parametrize("arm", ARMS)
def test_training_moves_the_running_moments_and_learns(arm):
    first, last = of(arm, 0), of(arm)
    assert all(np.isfinite(numbers).all() for numbers in last.values())
    assert (last["moved"] > 0).all()
    assert (last["train_nll"] < first["train_nll"]).all()


def test_dropout_before_norms_shifts_the_variance():
    assert (of("before")["variance ratio"] < 0.7).all()


@pytest.mark.parametrize("arm", ["none", "last"])
def test_no_dropout_and_dropout_after_all_norms_leave_it(arm):
    np.testing.assert_allclose(of(arm)["variance ratio"], 1, atol=0.1)


def test_the_ratio_is_that_of_the_very_images():
    """A network whose running moments are those of its inputs, whatever its arm, has ratio 1."""
    sites, data = ARCHITECTURE.sites, tiny.digits()

    def seen(_, states):
        """Training at no learning rate, all images at once."""
        model = ARCHITECTURE.bind(*states)
        model(jnp.asarray(data.x_train), Drop(sites, training=True))
        return nnx.state(model, nnx.Param, nnx.Not(nnx.Param))

    @jax.jit
    def ratio(key):
        states = nnx.state(ARCHITECTURE.build(key), nnx.Param, nnx.Not(nnx.Param))
        params, rest = jax.lax.fori_loop(0, 100, seen, states)
        trained = Trained(ARCHITECTURE, params, rest, recipe.recipe(sites, {"*": 0.5}))
        return variance_ratio(trained, data, key)["variance ratio"]

    assert float(ratio(jax.random.key(0))) == pytest.approx(1, abs=1e-3)
