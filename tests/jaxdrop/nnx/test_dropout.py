"""`jaxdrop.nnx.Dropout` against Flax's own, and where it takes what Flax's refuses."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jaxtyping import Array

import jaxdrop
from jaxdrop.nnx import Dropout, DropRate
from tests.jaxdrop.flax_cases import (
    CASES,
    KEY,
    X,
    assert_same_bits,
    assert_works_on_an_explicit_mesh,
    eager_and_jitted,
)

Untyped: Any = Dropout  # for calls that a type checker refuses too
RATES_16 = jnp.linspace(0, 1, 16)


def count(module: nnx.Dropout) -> int:
    """How far the module's random stream has advanced."""
    assert module.rngs is not None
    return int(module.rngs.count[...])


@eager_and_jitted
def test_32_bits_are_flax_to_the_bit(compile):
    def run(module, **options):
        models = [module(rate, broadcast_dims=dims, **options) for rate, dims in CASES]
        every = compile(lambda key, x: [model(x, rngs=key) for model in models])
        return every(KEY, X.at[0, 0].set(-0.0))

    for ours, theirs in zip(run(Dropout, bits=32), run(nnx.Dropout), strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("source", [nnx.Rngs(0), nnx.Rngs(0, noise=1), nnx.Rngs(noise=2).noise])
@pytest.mark.parametrize("where", ["constructor", "call"])
def test_streams_are_flaxs(source, where):
    def two_calls(module, **options):
        rngs = nnx.clone(source)
        at_call = {"rngs": rngs} if where == "call" else {}
        drop = module(0.5, rng_collection="noise", rngs=nnx.clone(source), **options)
        return jnp.stack([drop(X, **at_call), drop(X, **at_call)])

    first, second = ours = two_calls(Dropout, bits=32)
    assert_same_bits(ours, two_calls(nnx.Dropout))
    assert (first != second).any()


@pytest.mark.parametrize("method", ["__init__", "__call__"])
def test_flax_signatures_are_kept(method):
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(call).parameters.values()]
        for call in (getattr(Dropout, method), getattr(nnx.Dropout, method))
    )
    assert ours[: len(theirs)] == theirs
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in ours[len(theirs) :])


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_the_function_does_the_work(bits):
    y = Dropout(0.3, broadcast_dims=(1,), bits=bits)(X, rngs=KEY)
    assert_same_bits(y, jaxdrop.dropout(KEY, X, 0.3, broadcast_dims=(1,), bits=bits))


def test_16_bits_are_the_default():
    assert_same_bits(Dropout(0.3)(X, rngs=KEY), jaxdrop.dropout(KEY, X, 0.3, bits=16))


@pytest.mark.parametrize("rate", [0.7, np.float32(0.7), jnp.float32(0.7), RATES_16])
def test_a_rate_at_call_precedes_the_constructors(rate):
    assert_same_bits(Dropout(0.1)(X, rngs=KEY, rate=rate), jaxdrop.dropout(KEY, X, rate))


@pytest.mark.parametrize("fixed", [0.1, RATES_16])
def test_a_traced_rate_at_call_is_traced_once(fixed):
    traces, model = [], Dropout(fixed)

    @jax.jit
    def call(key, rate):
        traces.append(rate)
        return model(X, rngs=key, rate=rate)

    for rate in (0.0, 0.25, 0.5, 1.0):
        assert_same_bits(call(KEY, rate), jaxdrop.dropout(KEY, X, rate))
    assert len(traces) == 1


@pytest.mark.parametrize("rate", [RATES_16, np.linspace(0, 1, 16), RATES_16.tolist()])
def test_an_array_of_rates_is_held_as_a_variable(rate):
    model = Dropout(rate, rngs=nnx.Rngs(0))
    graph, *states = nnx.split(model, nnx.Param, nnx.RngState, DropRate)
    assert [len(nnx.to_flat_state(state)) for state in states] == [0, 2, 1]
    assert_same_bits(nnx.merge(graph, *states)(X, rngs=KEY), jaxdrop.dropout(KEY, X, RATES_16))


@pytest.mark.parametrize("rate", [0.5, np.float32(0.5), jnp.float32(0.5)])
def test_one_rate_is_static(rate):
    _, parameters, _ = nnx.split(Dropout(rate, rngs=nnx.Rngs(0)), nnx.Param, nnx.RngState)
    assert not parameters


@pytest.mark.parametrize("hold", [nnx.Param, DropRate, jnp.asarray])
def test_rates_are_never_trained(hold):
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(16, 16, rngs=rngs)
            self.dropout = Dropout(hold(jnp.full(16, 0.5)), rngs=rngs)

    model = Model(nnx.Rngs(0))
    decaying = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1))
    optimizer = nnx.Optimizer(model, decaying, wrt=nnx.Param)
    kernel = model.linear.kernel[...]
    loss, everything = lambda m: m.dropout(m.linear(X)).sum(), nnx.Any(nnx.Param, DropRate)
    gradient = nnx.grad(loss, argnums=nnx.DiffState(0, everything))(model)
    assert not gradient["dropout"]["rate"][...].any()
    optimizer.update(model, nnx.grad(loss)(model))
    assert (model.linear.kernel[...] != kernel).all()
    assert (model.dropout.rate[...] == 0.5).all()


@pytest.mark.parametrize("rate", [0, 0.0, 1e-9, 0.5, 1, 1.0, np.float32(1)])
@pytest.mark.parametrize("at_call", [False, True])
def test_streams_advance_where_flaxs_do(rate, at_call):
    ours, theirs = Dropout(0.5 if at_call else rate, rngs=nnx.Rngs(0)), nnx.Dropout(rate)
    theirs.rngs = nnx.Rngs(0).dropout.fork()
    ours(X, **({"rate": rate} if at_call else {}))
    theirs(X)
    assert count(ours) == count(theirs) == (0 < rate < 1)


def test_a_held_variable_advances_the_stream_eager_as_jitted():
    eager, jitted = (Dropout(DropRate(jnp.zeros(())), rngs=nnx.Rngs(0)) for _ in range(2))
    eager(X)
    nnx.jit(lambda model: model(X))(jitted)
    assert count(eager) == count(jitted) == 1


@eager_and_jitted
@pytest.mark.parametrize("bits", [16, 32])
def test_keys_of_every_form_agree(compile, bits):
    model = Dropout(0.5, bits=bits)
    typed, legacy, raw = (
        compile(lambda key: model(X, rngs=key))(key)
        for key in (jax.random.key(7), jax.random.PRNGKey(7), np.array([0, 7], np.uint32))
    )
    assert_same_bits(typed, legacy)
    assert_same_bits(typed, raw)
    assert (typed == 0).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Dropout(0.5, bits=12), ValueError, "Expected bits to be 8, 16 or 32; got 12"),
        (lambda: Untyped(0.5, rngs=KEY), TypeError, "rngs must be a Rngs, RngStream or None"),
        (lambda: Dropout(0.5)(X), ValueError, "no `rngs` argument .*Expected .* got None"),
        (lambda: Untyped(0.5)(X, rngs=3), TypeError, "Expected a key; got 3"),
        (
            lambda: Dropout(0.5, deterministic=None)(X, rngs=KEY),
            ValueError,
            "No `determin",
        ),
        (lambda: Untyped([0.5, 0.5])(X, rngs=KEY), ValueError, "Expected a rate that broadcasts"),
    ],
)
def test_bad_calls_say_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_modes_are_flaxs():
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.BatchNorm(16, rngs=rngs)
            self.dropout = Dropout(0.5, rngs=rngs)

    model = Model(nnx.Rngs(0))
    for mode, switch in ((True, model.eval), (False, model.train)):
        switch()
        assert model.dropout.deterministic is mode
        assert (model.dropout(X) == X).all() == mode
        assert (model.dropout(X, deterministic=not mode) == X).all() != mode
    view = nnx.view(model, only=nnx.Dropout, deterministic=True)
    assert (view.dropout(X) == X).all()
    assert (model.dropout(X) != X).any()
    assert view.norm.use_running_average is model.norm.use_running_average


class Net(nnx.Module):
    """One layer of each, to be compiled, mapped, scanned and rematerialised."""

    def __init__(self, module: Callable[..., nnx.Dropout], rngs: nnx.Rngs) -> None:
        self.linear = nnx.Linear(16, 16, rngs=rngs)
        self.dropout = module(0.5, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return self.dropout(self.linear(x))


def through_jit(net: Callable[[nnx.Rngs], Net]) -> Array:
    model = net(nnx.Rngs(0))
    step = nnx.jit(lambda model, x: model(x))
    return step(model, step(model, X))


def through_split_and_merge(net: Callable[[nnx.Rngs], Net]) -> Array:
    graph, parameters, rest = nnx.split(net(nnx.Rngs(0)), nnx.Param, ...)

    @jax.jit
    def step(parameters, rest, x):
        model = nnx.merge(graph, parameters, rest)
        return model(x), nnx.state(model, nnx.Not(nnx.Param))

    x, rest = step(parameters, rest, X)
    return step(parameters, rest, x)[0]


def through_vmap(net: Callable[[nnx.Rngs], Net]) -> Array:
    axes = nnx.StateAxes({nnx.RngState: 0, ...: None})
    forward = nnx.vmap(lambda model, x: model(x), in_axes=(axes, 0))
    return nnx.split_rngs(splits=len(X))(forward)(net(nnx.Rngs(0)), X)


def through_scan(net: Callable[[nnx.Rngs], Net]) -> Array:
    layers = nnx.split_rngs(splits=4)(nnx.vmap(net))(nnx.Rngs(0))
    return nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(
        X, layers
    )


def through_remat(net: Callable[[nnx.Rngs], Net]) -> Array:
    model = net(nnx.Rngs(0))
    forward = nnx.remat(lambda model, x: jnp.sin(model(x)))
    return nnx.grad(lambda model, x: forward(model, x).sum(), argnums=1)(model, X)


@pytest.mark.parametrize(
    "transform", [through_jit, through_split_and_merge, through_vmap, through_scan, through_remat]
)
def test_transforms_are_flaxs(transform):
    ours = transform(lambda rngs: Net(lambda rate, **kw: Dropout(rate, bits=32, **kw), rngs))
    theirs = transform(lambda rngs: Net(nnx.Dropout, rngs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours == 0, theirs == 0)


def test_vmapped_layers_have_rates_of_their_own():
    rates = jnp.array([0.0, 0.5, 1.0])
    layers = nnx.vmap(Dropout)(rates)
    y = nnx.vmap(lambda layer: layer(X, rngs=KEY))(layers)
    for drawn, rate in zip(y, rates, strict=True):
        assert_same_bits(drawn, jaxdrop.dropout(KEY, X, rate))


@pytest.mark.parametrize(("broadcast_dims", "bits"), [((), 16), ((0,), 32), ((1,), 16)])
def test_an_explicit_mesh_works(broadcast_dims, bits):
    model = Dropout(0.5, broadcast_dims=broadcast_dims, bits=bits)
    assert_works_on_an_explicit_mesh(lambda key, x: model(x, rngs=key))
