"""`jaxdrop.linen.Dropout` against Flax's own, and where it takes what Flax's refuses."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.errors import InvalidRngError
from jaxtyping import Array

import jaxdrop
from jaxdrop.linen import Dropout
from tests.jaxdrop.flax_cases import (
    CASES,
    KEY,
    X,
    assert_same_bits,
    assert_works_on_an_explicit_mesh,
    eager_and_jitted,
)

RATES_16 = jnp.linspace(0, 1, 16)


def apply(module: nn.Module, *args: Any, **options: Any) -> Any:
    """One output: Linen's own type of it allows for mutated variables too."""
    return module.apply(*args, **options)


def drop(*args, deterministic=False, call=None, **options) -> Array:
    """Applies a module to X under KEY as its explicit key."""
    module = Dropout(*args, deterministic=deterministic, **options)
    return apply(module, {}, X, rng=KEY, **(call or {}))


@eager_and_jitted
@pytest.mark.parametrize("where", ["apply", "call"])
def test_32_bits_are_flax_to_the_bit(where, compile):
    def run(module, **options):
        models = [module(*case, deterministic=False, **options) for case in CASES]
        given = (lambda key: {"rngs": {"dropout": key}}) if where == "apply" else None
        given = given or (lambda key: {"rng": key})
        every = compile(lambda key, x: [apply(model, {}, x, **given(key)) for model in models])
        return every(KEY, X.at[0, 0].set(-0.0))

    for ours, theirs in zip(run(Dropout, bits=32), run(nn.Dropout), strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("method", ["__init__", "__call__"])
def test_flax_signatures_are_kept(method):
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(call).parameters.values()]
        for call in (getattr(Dropout, method), getattr(nn.Dropout, method))
    )
    assert ours[: len(theirs)] == theirs
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in ours[len(theirs) :])
    assert issubclass(Dropout, nn.Dropout)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_the_function_does_the_work(bits):
    y = drop(0.3, broadcast_dims=(1,), bits=bits)
    assert_same_bits(y, jaxdrop.dropout(KEY, X, 0.3, broadcast_dims=(1,), bits=bits))


def test_16_bits_are_the_default():
    assert_same_bits(drop(0.3), jaxdrop.dropout(KEY, X, 0.3, bits=16))


@pytest.mark.parametrize("rate", [0.7, np.float32(0.7), jnp.float32(0.7), RATES_16])
def test_rates_of_every_form(rate):
    expected = jaxdrop.dropout(KEY, X, rate)
    assert_same_bits(drop(rate), expected)
    assert_same_bits(drop(0.1, call={"rate": rate}), expected)
    assert hash(Dropout(rate)) == hash(Dropout(rate))
    assert Dropout(rate) == Dropout(rate)


@pytest.mark.parametrize("at_call", [False, True])
def test_a_traced_rate_is_traced_once(at_call):
    traces = []

    @jax.jit
    def call(rate):
        traces.append(rate)
        return drop(0.1, call={"rate": rate}) if at_call else drop(rate)

    for rate in (0.0, 0.25, 0.5, 1.0):
        assert_same_bits(call(rate), jaxdrop.dropout(KEY, X, rate))
    assert len(traces) == 1


@pytest.mark.parametrize("rate", [0.5, RATES_16])
def test_there_is_nothing_to_train(rate):
    keys = {"params": KEY, "dropout": KEY}
    assert Dropout(rate, deterministic=False).init(keys, X) == {}


@pytest.mark.parametrize("rate", [0, 0.0, 1, 1.0, np.float32(1)])
def test_rates_0_and_1_ask_for_no_key(rate):
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x, first):
            module = Dropout(0.5, deterministic=False)
            return [module(x, rate=r) for r in first], module(x)

    expected = 0 if rate else X
    assert_same_bits(apply(Dropout(rate, deterministic=False), {}, X), X * 0 + expected)
    rngs = {"dropout": KEY}
    _, after_none = apply(Twice(), {}, X, (), rngs=rngs)
    _, after_certain = apply(Twice(), {}, X, (rate,), rngs=rngs)
    _, after_chance = apply(Twice(), {}, X, (1e-9,), rngs=rngs)
    assert_same_bits(after_certain, after_none)
    assert (after_chance != after_none).any()
    with pytest.raises(InvalidRngError):
        apply(Dropout(1e-9, deterministic=False), {}, X)


@eager_and_jitted
def test_keys_of_every_form_agree(compile):
    model = Dropout(0.5, deterministic=False)
    typed, legacy, raw = (
        compile(lambda key: apply(model, {}, X, rng=key))(key)
        for key in (jax.random.key(7), jax.random.PRNGKey(7), np.array([0, 7], np.uint32))
    )
    assert_same_bits(typed, legacy)
    assert_same_bits(typed, raw)
    assert (typed == 0).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: drop(0.5, bits=12), ValueError, "Expected bits to be 8, 16 or 32; got 12"),
        (lambda: drop([0.5, 0.5]), ValueError, "Expected a rate that broadcasts"),
        (lambda: apply(Dropout(0.5), {}, X, False, 3), TypeError, "Expected a key; got 3"),
    ],
)
def test_bad_calls_say_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("held", [None, False, True])
@pytest.mark.parametrize("passed", [None, False, True])
def test_deterministic_is_passed_once(held, passed):
    def run(module, **options):
        try:
            model = module(0.5, deterministic=held, **options)
            return apply(model, {}, X, deterministic=passed, rng=KEY)
        except ValueError as error:
            return str(error)

    ours, theirs = run(Dropout, bits=32), run(nn.Dropout)
    assert isinstance(ours, str) == ((held is None) == (passed is None))
    np.testing.assert_array_equal(ours, theirs)


Make = Callable[[], nn.Module]


class Net(nn.Module):
    """Two layers, so that names and counters of the random streams have their say."""

    dropout: Make

    @nn.compact
    def __call__(self, x):
        x = self.dropout()(nn.Dense(16)(x))
        return self.dropout()(nn.Dense(16)(x))


def through_apply(dropout: Make) -> Array:
    return _run(Net(dropout))


def through_jit(dropout: Make) -> Array:
    return jax.jit(_run, static_argnums=0)(Net(dropout))


def through_linen_jit(dropout: Make) -> Array:
    return _run(nn.jit(Net)(dropout))


def through_remat(dropout: Make) -> Array:
    return jax.jit(jax.grad(lambda x: jnp.sin(_run(nn.remat(Net)(dropout), x)).sum()))(X)


def through_scan(dropout: Make) -> Array:
    class Step(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return Net(dropout)(x), None

    split: Any = {"params": True, "dropout": True}
    layers = nn.scan(Step, variable_axes={"params": 0}, split_rngs=split, length=3)()
    keys = {"params": KEY, "dropout": KEY}
    run = jax.jit(lambda x: apply(layers, layers.init(keys, x, None), x, None, rngs=keys)[0])
    return run(X)


def through_vmap(dropout: Make) -> Array:
    split: Any = {"params": False, "dropout": True}
    net = nn.vmap(Net, variable_axes={"params": None}, split_rngs=split)(dropout)
    return jax.jit(_run, static_argnums=0)(net)


def _run(net: nn.Module, x: Array = X) -> Array:
    keys = {"params": KEY, "dropout": jax.random.key(8)}
    return apply(net, net.init(keys, x), x, rngs=keys)


@pytest.mark.parametrize(
    "transform",
    [through_apply, through_jit, through_linen_jit, through_remat, through_scan, through_vmap],
)
def test_transforms_are_flaxs(transform):
    def run(module, **options):
        def make():
            return module(0.5, deterministic=False, **options)

        return transform(make)

    ours, theirs = run(Dropout, bits=32), run(nn.Dropout)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours == 0, theirs == 0)


@pytest.mark.parametrize("wrap", [nn.jit, nn.remat], ids=["jit", "remat"])
def test_an_array_of_rates_passes_linens_transforms(wrap):
    model = wrap(Dropout)(RATES_16, deterministic=False)
    assert_same_bits(apply(model, {}, X, rng=KEY), jaxdrop.dropout(KEY, X, RATES_16))


@pytest.mark.parametrize(("broadcast_dims", "bits"), [((), 16), ((0,), 32), ((1,), 16)])
def test_an_explicit_mesh_works(broadcast_dims, bits):
    model = Dropout(0.5, broadcast_dims, deterministic=False, bits=bits)
    assert_works_on_an_explicit_mesh(lambda key, x: apply(model, {}, x, rngs={"dropout": key}))
