"""Many small networks in one program: which rows a step takes, which keys it draws from."""

import functools
from typing import Any

import jax
import numpy as np
import optax
import pytest

import jaxdrop
from experiments.models import layers
from experiments.training import fit, sweep
from experiments.training.fit import ADAM, Batch, Data, Plan
from experiments.training.keys import seed_keys

EXAMPLES = 7
KEYS = seed_keys(0, 3)
RATE, EPOCHS = np.float32(0.4), 2


def init(key, sizes, rate):
    del rate
    return layers.init(jax.nn.initializers.glorot_uniform(), key, sizes)


def loss(params, rate, batch, key):
    def drop(layer, x):
        return jaxdrop.dropout(jax.random.fold_in(key, layer), x, rate)

    errors = layers.forward(params, batch.x, drop)[:, 0] - batch.y
    return (batch.present * errors**2).sum()


WHOLE, FILLED = (Plan(init, loss, (4, 5, 1), 3, steps) for steps in (2, 3))


def examples() -> Any:
    x = np.random.default_rng(0).normal(size=(EXAMPLES, 4)).astype(np.float32)
    return x, x.sum(-1)


def by_hand(plan, key):
    """What the docstring says, step by step."""
    weights, batches, masks = jax.random.split(key, 3)
    params, (x, y) = jax.jit(init, static_argnums=1)(weights, plan.sizes, RATE), examples()
    state = ADAM.init(params)
    for epoch in range(2):
        order = np.asarray(jax.random.permutation(jax.random.fold_in(batches, epoch), EXAMPLES))
        for step in range(plan.steps):
            rows = order[3 * step : 3 * step + 3]
            filled = np.pad(rows, (0, 3 - len(rows)))
            present: Any = np.float32(np.arange(3) < len(rows))
            batch = Batch(x[filled], y[filled], present)
            params, state = by_step(params, state, batch, masks, epoch, step)
    return params


@jax.jit
def by_step(params, state, batch, masks, epoch, step):
    own = jax.random.fold_in(jax.random.fold_in(masks, epoch), step)
    gradient = jax.grad(loss)(params, RATE, batch, own)
    updates, state = ADAM.update(gradient, state)
    return optax.apply_updates(params, updates), state


def close(one, other):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), one, other)


@pytest.mark.parametrize("plan", [WHOLE, FILLED], ids=["whole", "filled"])
def test_a_network_trains_as_its_key_says(plan):
    networks = fit.fit(plan, EPOCHS, Data(RATE, *examples()), KEYS)
    close(jax.tree.map(lambda leaf: leaf[1], jax.device_get(networks)), by_hand(plan, KEYS[1]))


def test_it_is_the_same_whether_data_are_shared_or_own():
    shared, own = data()
    close(fit.fit(WHOLE, EPOCHS, shared, KEYS), fit.fit(WHOLE, EPOCHS, (), KEYS, *own))


def data():
    """Shared by all networks, and the same as their own."""
    shared = Data(RATE, *examples())
    return shared, jax.tree.map(lambda leaf: np.stack([leaf] * len(KEYS)), shared)


@pytest.mark.parametrize("kind", ["shared", "own"])
def test_how_training_is_cut_is_told_and_changes_nothing(kind, monkeypatch):
    shared, own = data()
    once, each = (shared, ()) if kind == "shared" else ((), own)
    seen = []
    whole = fit.fit(WHOLE, 3, once, KEYS, *each)
    monkeypatch.setattr(sweep, "CALL", 0)
    cut = fit.fit(WHOLE, 3, once, KEYS, *each, tick=seen.append)
    jax.tree.map(np.testing.assert_array_equal, whole, cut)
    assert [(moment.epoch, moment.trained) for moment in seen] == [(1, 1), (2, 1), (3, 1)]


def test_every_example_is_in_an_epoch_once():
    batches, order = jax.jit(fit._batches, static_argnums=0), np.array([4, 2, 0, 6, 1, 5, 3])
    assert batches(FILLED, order).tolist() == [[4, 2, 0], [6, 1, 5], [3, 7, 7]]
    assert batches(WHOLE, order).tolist() == [[4, 2, 0], [6, 1, 5]]


KNOWN = {"plan": WHOLE, "keys": KEYS, "data": [np.arange(3)], "examples": EXAMPLES}


@functools.cache
def digests():
    return vars(fit.inputs(**KNOWN))


@pytest.mark.parametrize(("changes", "differ"), [
    ({"keys": seed_keys(1, 3)}, {"keys", "batches", "masks"}),
    ({"examples": 8}, {"batches"}),
    ({"data": [np.arange(4)]}, {"data"}),
    ({"plan": WHOLE._replace(sizes=(4, 6, 1))}, {"masks"}),
])  # fmt: skip
def test_each_digest_changes_with_what_it_is_of(changes, differ):
    one, other = digests(), vars(fit.inputs(**KNOWN | changes))
    assert {name for name in one if one[name] != other[name]} == differ
