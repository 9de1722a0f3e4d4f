"""`DropConnect` passes on what the call of its layer takes, and uses it itself."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdrop
from jaxdrop.nnx import DropConnect, Dropout, SpatialDropout, VariationalRNN

KEY, X = jax.random.key(7), jax.random.normal(jax.random.key(3), (4, 6, 8))


class Told(nnx.Module):
    """Notes what reaches it."""

    def __init__(self) -> None:
        self.linear, self.seen = nnx.Linear(8, 8, rngs=nnx.Rngs(0)), nnx.static({})

    def _note(self, x: jax.Array, **seen: Any) -> jax.Array:
        self.seen.clear()
        self.seen.update(seen)
        return self.linear(x)


class Named(Told):
    def __call__(self, x, deterministic=None, *, rngs=None, rate=None):
        return self._note(x, deterministic=deterministic, rngs=rngs, rate=rate)


class Required(Told):
    def __call__(self, x, deterministic, rngs):
        return self._note(x, deterministic=deterministic, rngs=rngs)


class Anything(Told):
    def __call__(self, x, **seen):
        return self._note(x, **seen)


class Nothing(Told):
    def __call__(self, x):
        return self._note(x)


def drops(model: Any, *arguments: Any, **call: Any) -> bool:
    """Whether weights are dropped."""
    return not np.array_equal(model(X, *arguments, **call), model.layer.linear(X))


def wrapped(layer: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    return DropConnect(layer, 0.5, rngs=nnx.Rngs(1), **options), layer.seen


@pytest.mark.parametrize("layer", [Named, Anything])
def test_what_is_given_at_call_reaches_the_layer_and_is_used(layer):
    model, seen = wrapped(layer())
    given = {"deterministic": False, "rngs": KEY, "rate": 1.0}
    np.testing.assert_array_equal(model(X, **given), jnp.zeros_like(X) + 0.0)
    assert seen == given
    assert not drops(model, deterministic=True)
    assert seen["deterministic"] is True
    dropped: Any = jaxdrop.drop_connect(KEY, nnx.state(model.layer, nnx.Param), 0.5)
    expected = X @ dropped["linear"]["kernel"][...]
    np.testing.assert_allclose(model(X, rngs=KEY), expected, rtol=1e-6, atol=1e-6)


def test_a_layer_that_takes_none_is_passed_none():
    model, seen = wrapped(Nothing())
    assert drops(model, deterministic=False, rngs=KEY, rate=0.5)
    assert not drops(model, deterministic=True)
    assert seen == {}


@pytest.mark.parametrize("mode", [True, False])
def test_what_stands_at_a_position_is_used_too(mode):
    for layer, arguments in ((Named(), (mode,)), (Required(), (mode, KEY))):
        model, seen = wrapped(layer, deterministic=not mode)
        assert drops(model, *arguments) is not mode
        assert seen["deterministic"] is mode
    model = DropConnect(Required(), 0.5)  # it has no stream: the key must be the one passed
    np.testing.assert_array_equal(model(X, False, KEY), model(X, deterministic=False, rngs=KEY))
    with pytest.raises(TypeError, match="multiple values for argument 'deterministic'"):
        model(X, False, KEY, deterministic=False)


def test_the_mode_reaches_a_layer_that_has_none():
    model, seen = wrapped(Named())
    for switch, mode in ((model.eval, True), (model.train, False)):
        switch()
        assert drops(model) is not mode
        assert seen == {"deterministic": mode, "rngs": None, "rate": None}
    model, seen = wrapped(Anything())
    model(X)
    assert seen == {}  # it may hand it to one that takes no mode


class Flagged(nnx.Module):
    """As layers were written before modes were attributes: training unless it is told otherwise."""

    def __init__(self) -> None:
        self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(2))
        self.linear = nnx.Linear(8, 8, rngs=nnx.Rngs(0))

    def __call__(self, x, deterministic=False):
        return self.dropout(self.linear(x), deterministic=deterministic)


def test_evaluation_silences_a_flag_inside():
    model: Any = DropConnect(Flagged(), 0.5, rngs=nnx.Rngs(1))
    assert drops(model, rate=0.0)
    model.eval()
    assert not drops(model)


def test_parts_keep_the_modes_that_they_have():
    cell = nnx.GRUCell(8, 8, rngs=nnx.Rngs(0))
    rnn = VariationalRNN(cell, state_rate=0.9, deterministic=True, rngs=nnx.Rngs(1))
    model = DropConnect(rnn, 0.0, rngs=nnx.Rngs(2))
    np.testing.assert_array_equal(model(X), rnn(X))
    assert (model(X, deterministic=False) != rnn(X)).any()
    own = DropConnect(Dropout(0.9, deterministic=True), 0.5, rngs=nnx.Rngs(2))
    np.testing.assert_array_equal(own(X), X)


def attention(**options: Any) -> nnx.MultiHeadAttention:
    return nnx.MultiHeadAttention(2, 8, decode=False, dropout_rate=0.5, rngs=nnx.Rngs(0), **options)


def test_attention_is_told_everything():
    layer = attention(keep_rngs=False)
    model = DropConnect(layer, 0.0)
    for mode in ({}, {"deterministic": False}):
        stream = nnx.RngStream(KEY, tag="dropout")
        expected = layer(X, rngs=stream, deterministic=False)
        np.testing.assert_array_equal(model(X, rngs=KEY, **mode), expected)
    np.testing.assert_array_equal(model(X, rngs=nnx.RngStream(KEY, tag="dropout")), expected)
    np.testing.assert_array_equal(model(X, deterministic=True), layer(X, deterministic=True))
    once, again = model(X, rngs=KEY), model(X, X, rngs=jax.random.key(8))
    assert (once != again).any()


def recurrent() -> nnx.RNN:
    return nnx.RNN(nnx.GRUCell(8, 8, rngs=nnx.Rngs(0)))


@pytest.mark.parametrize(
    "build",
    [
        recurrent,
        lambda: nnx.Bidirectional(recurrent(), recurrent()),
        lambda: nnx.Sequential(recurrent(), nnx.relu),
        lambda: nnx.Sequential(attention(keep_rngs=False, deterministic=False), nnx.relu),
    ],
    ids=["network", "two ways", "network in a sequence", "attention in a sequence"],
)
def test_what_takes_streams_alone_is_passed_a_stream_for_a_key(build):
    model: Any = DropConnect(build(), 0.5)
    call = nnx.jit(lambda model, key: model(X, rngs=key))
    once, again = call(model, KEY), call(model, jax.random.key(8))
    assert (once != again).any()
    np.testing.assert_array_equal(call(model, KEY), once)
    np.testing.assert_allclose(model(X, rngs=KEY), once, rtol=1e-6, atol=1e-6)


def test_a_rate_reaches_the_dropout_inside():
    model = DropConnect(Dropout(0.0), 0.0)
    np.testing.assert_array_equal(model(X, rate=1.0), jnp.zeros_like(X))
    np.testing.assert_array_equal(model(X, rate=0.5, rngs=KEY), jaxdrop.dropout(KEY, X, 0.5))
    nested = DropConnect(DropConnect(Named(), 0.0), 0.0)
    assert not np.array_equal(nested(X, rate=0.5, rngs=KEY), nested(X))


@pytest.mark.parametrize("first", [nnx.Linear(8, 8, rngs=nnx.Rngs(0)), nnx.relu])
def test_a_sequence_that_begins_with_what_takes_none(first):
    model: Any = DropConnect(nnx.Sequential(first, jnp.tanh), 0.5, rngs=nnx.Rngs(1))
    expected = model.layer(X)
    np.testing.assert_array_equal(model(X, deterministic=True, rate=0.5, rngs=KEY), expected)


def test_a_sequence_that_begins_with_dropout():
    model = DropConnect(nnx.Sequential(Dropout(0.5), nnx.relu), 0.0)
    np.testing.assert_array_equal(model(X, deterministic=True), nnx.relu(X))
    np.testing.assert_array_equal(model(X, rngs=KEY), nnx.relu(jaxdrop.dropout(KEY, X, 0.5)))


def test_jit_scan_and_gradients_pass_it_on_too():
    model = DropConnect(Named(), 0.5)
    call = nnx.jit(lambda model, key, rate: model(X, rngs=key, rate=rate))
    np.testing.assert_allclose(call(model, KEY, 0.5), model(X, rngs=KEY), rtol=1e-6, atol=1e-6)
    slope = nnx.grad(lambda model: model(X, False, rngs=KEY).sum())(model)
    assert np.isfinite(slope["layer"]["linear"]["kernel"][...]).all()


def test_a_module_has_the_signature_of_its_call():
    """Flax's `Sequential` passes to each layer what its signature shows."""
    site: Any = SpatialDropout(0.5)
    taken, made = _names(site), _names(SpatialDropout)
    assert taken == ["inputs", "deterministic", "rngs", "rate"]
    assert made == ["rate", "deterministic", "rng_collection", "rngs", "channel_dim", "batch_dim"]
    model = nnx.Sequential(SpatialDropout(0.5), jnp.tanh)
    np.testing.assert_array_equal(model(X, rate=1.0), jnp.zeros_like(X))


def _names(thing: Any) -> list[str]:
    return [*inspect.signature(thing).parameters]
