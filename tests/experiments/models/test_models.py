import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop
from experiments.models import ACTIVATIONS, Activation, Drop, Perceptron

KEY = jax.random.key(1)
X: Any = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


@functools.cache
def model_of(activation: Activation = "relu"):
    return Perceptron((6, 7, 8, 3), activation).build(jax.random.key(0))


SITES = Perceptron((6, 7, 8, 3)).sites
OFF = Drop(SITES)


def drop_at(*sites, rate=0.5):
    return Drop(SITES, np.array([rate * (site in sites) for site in SITES], np.float32), KEY)


def test_rate_zero_at_every_site_is_the_model_without_dropout():
    model = model_of()
    np.testing.assert_array_equal(model(X, drop_at()), model(X, OFF))


def test_the_layers_are_those_of_a_multilayer_perceptron():
    model = model_of("tanh")
    first, second = model.hidden
    expected = model.head(jnp.tanh(second(jnp.tanh(first(X)))))
    np.testing.assert_allclose(model(X, OFF), expected, rtol=1e-6)


@pytest.mark.parametrize("site", Perceptron((6, 7, 8, 3), "relu").sites)
def test_every_site_drops(site):
    model = model_of()
    dropped = np.asarray(model(X, drop_at(site)))
    assert (dropped != np.asarray(model(X, OFF))).any()


def test_the_input_is_dropped_under_the_key_of_layer_0():
    model = model_of()
    masked = jaxdrop.dropout(jax.random.fold_in(KEY, 0), X, 0.5)
    dropped = model(X, drop_at("input"))
    np.testing.assert_allclose(dropped, model(masked, OFF), rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dropping_commutes_with_relu_alone(activation):
    model = model_of(activation)
    before = model(X, drop_at("pre1", "pre2"))
    after = model(X, drop_at("post1", "post2"))
    assert np.array_equal(before, after) == (activation == "relu")


def test_layers_have_masks_of_their_own():
    model = Perceptron((6, 8, 8, 3), "relu").build(jax.random.key(0))
    ones = jnp.ones((5, 8))
    masks = [jaxdrop.dropout(jax.random.fold_in(KEY, layer), ones, 0.5) for layer in (1, 2)]
    first, second = model.hidden
    hidden = jax.nn.relu(second(jax.nn.relu(first(X)) * masks[0])) * masks[1]
    dropped = model(X, drop_at("post1", "post2"))
    np.testing.assert_allclose(dropped, model.head(hidden), rtol=1e-5, atol=1e-6)
