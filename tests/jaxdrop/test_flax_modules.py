"""The Flax modules of the whole catalogue: each is its function, called in Flax's way."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx
from flax.errors import InvalidRngError

import jaxdrop
import jaxdrop.linen
import jaxdrop.nnx
from jaxdrop.flax_shared import options_of
from jaxdrop.nnx import DropConnect, DropModule, DropRate
from tests.jaxdrop.catalogue import (
    KEY,
    LINEN,
    TABLE,
    X,
    call_linen,
    every,
    every_linen,
    function_of,
    make,
)


def test_every_operator_has_its_modules():
    made = {"Zoneout", "ConcreteDropout", "DropConnect", "DotProductAttention", *TABLE}
    functions = {name for name, f in vars(jaxdrop).items() if "rate" in _parameters(f)}
    functions |= {"gaussian_noise", "concrete_dropout"}
    values = {"keep_mask", "apply_mask", "complementary_masks", "classical_inference"}
    expected = {name.title().replace("_", "") for name in functions - values}
    assert expected - {"ZoneoutInference"} == made
    assert all(issubclass(getattr(jaxdrop.nnx, name), nnx.Dropout) for name in made)
    on_weights = {"EmbeddingDropout"}
    assert set(LINEN) == TABLE.keys() - on_weights


def _parameters(thing: Any) -> Any:
    return inspect.signature(thing).parameters if inspect.isfunction(thing) else {}


@every
def test_the_function_does_the_work(name):
    expected = function_of(name)(KEY, X, 0.4, **TABLE[name])
    np.testing.assert_array_equal(make(name)(X, rngs=KEY), expected)
    assert not np.array_equal(expected, X)


@every_linen
def test_the_function_does_the_work_in_linen(name):
    expected = function_of(name)(KEY, X, 0.4, **TABLE[name])
    np.testing.assert_array_equal(call_linen(name, rng=KEY), expected)


@every
def test_options_are_the_functions(name):
    own = options_of(function_of(name))
    shown = inspect.signature(getattr(jaxdrop.nnx, name)).parameters
    hidden = {"scale"} if name == "Dropout" else set()
    for option in own.keys() - hidden:
        assert shown.get(option, own[option]).default == own[option].default
        value = TABLE[name].get(option, own[option].default)
        assert getattr(make(name), option) == (tuple(value) if isinstance(value, list) else value)


@every_linen
def test_linen_options_are_the_functions(name):
    own, cls = options_of(function_of(name)), getattr(jaxdrop.linen, name)
    shown = inspect.signature(cls).parameters
    for option in own.keys() - ({"scale"} if name == "Dropout" else set()):
        assert shown[option].default == own[option].default, option


@pytest.mark.parametrize("adapter", [jaxdrop.nnx, jaxdrop.linen], ids=["nnx", "linen"])
def test_docstrings_point_to_the_function(adapter):
    for name in set(TABLE) & set(vars(adapter)):
        own = f"`jaxdrop.{function_of(name).__name__}` as a "
        assert getattr(adapter, name).__doc__.startswith(own), name


@every
def test_a_call_checks_its_rate_once(name, monkeypatch):
    checked, check = [], jaxdrop.checks.check_number
    monkeypatch.setattr(
        jaxdrop.checks, "check_number", lambda *a: checked.append(a[0]) or check(*a)
    )
    module = make(name)
    checked.clear()
    module(X, rngs=KEY)
    assert (checked.count("rate"), checked.count("stddev")) in {(1, 0), (0, 1)}


@every
def test_evaluation_and_rate_0_return_the_inputs(name):
    assert make(name)(X, deterministic=True) is X
    module = make(name)
    module.eval()
    assert module(X) is X
    assert make(name, 0.0)(X) is X


@every_linen
def test_linen_evaluation_and_rate_0_return_the_inputs(name):
    module = getattr(jaxdrop.linen, name)(0.4, **TABLE[name])
    assert module.apply({}, X, True) is X
    assert call_linen(name, 0.0) is X


@every
def test_a_traced_rate_at_call_is_traced_once(name):
    if name == "TokenDropout":
        pytest.skip("in mode remove the rate decides a shape")
    module, traces, word = make(name), [], "stddev" if name == "GaussianNoise" else "rate"

    @jax.jit
    def call(rate):
        traces.append(rate)
        return module(X, rngs=KEY, **{word: rate})

    for rate in (0.0, 0.3, 0.6):
        expected = function_of(name)(KEY, X, rate, **TABLE[name])
        np.testing.assert_allclose(call(rate), expected, rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


@every
def test_what_is_missing_is_told_in_flaxs_words_and_ours(name):
    module = make(name)
    said = f"`deterministic` is False, but no `rngs` argument was provided to {name} as either "
    with pytest.raises(ValueError, match=said + r"a __call__ .* attribute\. Expected .*; got None"):
        module(X)
    undecided = make(name, deterministic=None)
    with pytest.raises(ValueError, match=f"No `deterministic` argument was provided to {name}"):
        undecided(X, rngs=KEY)
    view = nnx.view(undecided, deterministic=False)
    np.testing.assert_array_equal(view(X, rngs=KEY), module(X, rngs=KEY))
    assert nnx.view(undecided, deterministic=True)(X) is X


@every_linen
def test_linen_tells_what_is_missing_as_flax_does(name):
    with pytest.raises(InvalidRngError, match='needs PRNG for "dropout"'):
        call_linen(name)
    named = getattr(jaxdrop.linen, name)(0.4, **TABLE[name], rng_collection="noise")
    with pytest.raises(InvalidRngError, match='needs PRNG for "noise"'):
        named.apply({}, X, False, rngs={"dropout": KEY})
    np.testing.assert_array_equal(
        named.apply({}, X, False, rngs={"noise": KEY}), call_linen(name, rngs={"dropout": KEY})
    )
    for given in ({}, {"deterministic": True}):
        twice = getattr(jaxdrop.linen, name)(0.4, **TABLE[name], deterministic=bool(given) or None)
        with pytest.raises(ValueError, match='Parameter "deterministic"'):
            twice.apply({}, X, **given, rng=KEY)


@every
def test_streams_advance_once_a_call_and_nothing_can_be_trained(name):
    module = make(name, rngs=nnx.Rngs(1))
    first, second = module(X), module(X)
    assert int(module.rngs.count[...]) == 2
    assert not np.array_equal(first, second)
    assert not nnx.to_flat_state(nnx.state(module, nnx.Param))


def zoned(**options: Any) -> Any:
    return jaxdrop.nnx.Zoneout(0.4, **options)


def test_zoneout_takes_both_states_and_gives_their_mixture_in_evaluation():
    new = X + 1
    expected = jaxdrop.zoneout(KEY, X, new, 0.4)
    np.testing.assert_array_equal(zoned()(X, new, rngs=KEY), expected)
    mixed = zoned()(X, new, deterministic=True)
    np.testing.assert_array_equal(mixed, jaxdrop.zoneout_inference(X, new, 0.4))
    np.testing.assert_array_equal(zoned(rngs=nnx.Rngs(0))(X, new, rate=0.0), new)


def test_concrete_dropout_trains_its_logit_alone():
    module = jaxdrop.nnx.ConcreteDropout(0.2, temperature=0.3, rngs=nnx.Rngs(0))
    logit = module.logit[...]
    np.testing.assert_allclose(module.learned_rate(), 0.2, rtol=1e-6)
    expected = jaxdrop.concrete_dropout(KEY, X, logit, temperature=0.3)
    np.testing.assert_array_equal(module(X, rngs=KEY), expected)
    assert module(X, deterministic=True) is X
    gradient = nnx.grad(lambda m: (m(X, rngs=KEY) ** 2).mean())(module)
    assert [path for path, _ in nnx.to_flat_state(gradient)] == [("logit",)]
    assert gradient["logit"][...] > 0
    terms: dict[str, Any] = {"input_dim": 8, "weight_regularizer": 0.1, "dropout_regularizer": 0.2}
    price = jaxdrop.concrete_regularizer(logit, X, **terms)
    np.testing.assert_array_equal(module.regularizer(X, **terms), price)


class Layer(nnx.Module):
    """A layer whose parameters, statistics and counters all have their say."""

    def __init__(self, rngs):
        self.linear, self.norm = nnx.Linear(8, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)

    def __call__(self, x):
        return self.norm(self.linear(x))


def test_drop_connect_drops_weights_and_keeps_what_the_layer_learns_otherwise():
    layer = nnx.Linear(8, 8, rngs=nnx.Rngs(0))
    _, weights = nnx.split(layer, nnx.Param)
    only_kernels = lambda path, value: value.ndim > 1  # noqa: E731
    module = DropConnect(layer, 0.5, where=only_kernels)
    dropped: Any = jaxdrop.drop_connect(KEY, weights, 0.5, where=only_kernels)
    expected = X @ dropped["kernel"][...]  # the bias is 0
    np.testing.assert_allclose(module(X, rngs=KEY), expected, rtol=1e-6)
    np.testing.assert_array_equal(module(X, deterministic=True), layer(X))
    np.testing.assert_array_equal(
        nnx.state(layer, nnx.Param)["kernel"][...], weights["kernel"][...]
    )

    other: Any = DropConnect(Layer(nnx.Rngs(0)), 0.5, rngs=nnx.Rngs(1))
    before = other.layer.norm.mean[...]
    other(X)
    assert (other.layer.norm.mean[...] != before).any()


class Net(nnx.Module):
    """A module with a rate and options, and one without a rate: all others are like the first."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.linear = nnx.Linear(8, 8, rngs=rngs)
        self.block, self.noise = (make(name, rngs=rngs) for name in ("DropBlock", "GaussianNoise"))

    def __call__(self, x):
        return self.noise(self.block(self.linear(x)))


def test_jit_vmap_scan_and_remat_work():
    net = Net(nnx.Rngs(0))
    step = nnx.jit(lambda net, x: net(x))
    first, second = step(net, X), step(net, X)
    assert int(net.block.rngs.count[...]) == int(net.noise.rngs.count[...]) == 2
    assert first.shape == second.shape == X.shape

    layers = nnx.split_rngs(splits=3)(nnx.vmap(Net))(nnx.Rngs(0))
    scanned = nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
    assert np.isfinite(scanned(X, layers)).all()

    def loss(forward: Any) -> jax.Array:
        slope = nnx.grad(lambda net, x: jnp.sin(forward(net, x)).sum(), argnums=1)
        return nnx.jit(slope)(Net(nnx.Rngs(0)), X)

    plain, saved = loss(lambda net, x: net(x)), loss(nnx.remat(lambda net, x: net(x)))
    np.testing.assert_allclose(plain, saved, rtol=1e-5, atol=1e-5)


def test_multi_steps_train_through_modules():
    model = Net(nnx.Rngs(0))
    twice: Any = optax.MultiSteps(optax.sgd(0.1), 2)
    optimizer = nnx.Optimizer(model, twice, wrt=nnx.Param)
    kernels = [model.linear.kernel[...]]
    slope = nnx.jit(nnx.grad(lambda m: jnp.sin(m(X)).sum()))
    for _ in range(2):
        gradient = slope(model)
        with jax.numpy_dtype_promotion("standard"):  # MultiSteps itself mixes dtypes
            optimizer.update(model, gradient)
        kernels.append(model.linear.kernel[...])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[2] != kernels[1]).any()


def test_orbax_restores_rates_and_streams(tmp_path):
    def build(seed: int) -> nnx.Module:
        rngs = nnx.Rngs(seed)
        sites = [make(name, rngs=rngs) for name in TABLE if name != "TokenDropout"]
        held = jaxdrop.nnx.Dropout(jnp.full(8, 0.1 * seed), rngs=rngs)
        return nnx.Sequential(nnx.Linear(8, 8, rngs=rngs), *sites, held)

    saved, restored = build(1), build(2)
    saved(X)
    pure = lambda model: nnx.to_pure_dict(_plain(nnx.state(model)))  # noqa: E731
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "model", pure(saved))
        checkpointer.wait_until_finished()
        content = checkpointer.restore(tmp_path / "model", pure(restored))
    state = _plain(nnx.state(restored))
    nnx.replace_by_pure_dict(state, content)
    nnx.update(restored, _typed(state, nnx.state(restored)))
    np.testing.assert_array_equal(saved(X), restored(X))


def _plain(state: nnx.State) -> nnx.State:
    return jax.tree.map(lambda a: jax.random.key_data(a) if _is_key(a) else a, state)


def _typed(plain: nnx.State, like: nnx.State) -> nnx.State:
    return jax.tree.map(lambda a, b: jax.random.wrap_key_data(a) if _is_key(b) else a, plain, like)


def _is_key(array: Any) -> bool:
    return jnp.issubdtype(array.dtype, jax.dtypes.prng_key)


def test_a_rate_is_neither_a_parameter_nor_random_state():
    module = jaxdrop.nnx.DropPath(jnp.full((4, 1, 1, 1), 0.5), rngs=nnx.Rngs(0))
    _, rates, rest = nnx.split(module, DropRate, ...)
    assert len(nnx.to_flat_state(rates)) == 1
    assert not nnx.to_flat_state(nnx.state(module, nnx.Param))
    assert len(nnx.to_flat_state(rest)) == 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make("DropBlock", colour=1), TypeError, "Expected options of DropBlock among"),
        (
            lambda: jaxdrop.nnx.DropBlock(0.5),
            TypeError,
            "block_size, .*, with block_size; got none",
        ),
        (lambda: jaxdrop.nnx.LockedDropout(0.5), TypeError, "Expected options of LockedDropout"),
        (lambda: jaxdrop.nnx.SpatialDropout(0.5, broadcast_dims=(0,)), TypeError, "got broadcast"),
        (lambda: jaxdrop.nnx.GaussianDropout(1.0), ValueError, "Expected a rate below 1; got 1"),
        (lambda: jaxdrop.nnx.GaussianNoise(-1.0), ValueError, r"stddev in \[0, inf\); got -1"),
        (lambda: jaxdrop.nnx.ConcreteDropout(0.0), ValueError, r"inside \(0, 1\) .*; got 0.0"),
        (lambda: DropConnect(nnx.Linear(2, 2, rngs=nnx.Rngs(0)), 1.5), ValueError, "got 1.5"),
        (lambda: make("DropPath")(X.astype(int), rngs=KEY), TypeError, "Expected floating-point"),
        (lambda: make("DropPath")(X), ValueError, "`rngs` argument .*Expected .* got None"),
        (lambda: make("DropPath")(X, rngs=3), TypeError, "Expected a key; got 3"),
        (lambda: zoned()(X, X[0], rngs=KEY), ValueError, "Expected previous and new of one shape"),
        (lambda: jaxdrop.linen.GaussianNoise(), TypeError, "Expected one stddev; got None"),
        (lambda: jaxdrop.linen.GaussianNoise(0.1, stddev=0.2), TypeError, "Expected one stddev"),
        (lambda: jaxdrop.linen.GaussianDropout(1.0), ValueError, "Expected a rate below 1; got 1"),
        (lambda: jaxdrop.linen.DropPath(0.5, (0,)), ValueError, "Expected no broadcast_dims"),
        (lambda: call_linen("DropPath", -0.5, rng=KEY), ValueError, r"in \[0, 1\]; got -0.5"),
        (lambda: call_linen("DropPath", rng=3), TypeError, "Expected a key; got 3"),
        (lambda: call_linen("DropBlock", x=X[0, 0, 0], rng=KEY), ValueError, "Expected"),
    ],
)
def test_bad_calls_say_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_module_of_your_own_is_two_lines():
    def halve(key, x, rate, *, twice=False):
        return x * (0.25 if twice else 0.5)

    class Halved(DropModule, operator=halve):
        pass

    np.testing.assert_array_equal(Halved(0.3, twice=True)(X, rngs=KEY), X / 4)
