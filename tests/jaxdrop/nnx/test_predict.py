"""NNX models as functions of a key: what drops, what does not, what stays as it was."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdrop.nnx
from jaxdrop import montecarlo

KEY = jax.random.key(5)
X = jax.random.normal(jax.random.key(1), (6, 8))
SEQUENCE = jax.random.normal(jax.random.key(2), (3, 4, 8))
FAR = jnp.linspace(-1, 1, 16)  # from the means of a batch


def sampled(model, x, n, **options):
    return montecarlo.sample(KEY, jaxdrop.nnx.predict(model, x, **options), n)


def traced(model, x, n, **options):
    """What sampling does to a model, it does as it is traced."""
    predict = jaxdrop.nnx.predict(model, x, **options)
    return jax.eval_shape(lambda key: montecarlo.sample(key, predict, n), KEY)


def sampled_of(model, *inputs, **options):
    return montecarlo.sample(KEY, jaxdrop.nnx.predict(model, *inputs, **options), 50)


class Net(nnx.Module):
    def __init__(self, dropout, rngs):
        self.linear = nnx.Linear(8, 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = dropout
        self.head = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.dropout(nnx.relu(self.norm(self.linear(x)))))


def net(kind: Any = jaxdrop.nnx.Dropout, rate: Any = 0.5):
    rngs = nnx.Rngs(0)
    model = Net(kind(rate, rngs=rngs), rngs)
    model.norm.mean[...] = FAR
    return model


class Around(nnx.Module):
    """Passes no streams on."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, x):
        return self.inner(x)


def attention(keep_rngs):
    return nnx.MultiHeadAttention(
        2, 8, dropout_rate=0.5, decode=False, keep_rngs=keep_rngs, rngs=nnx.Rngs(0)
    )


def leaves(model):
    state = nnx.state(model)
    keys = jax.tree.map(
        lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        else leaf, state)  # fmt: skip
    return [np.asarray(leaf) for leaf in jax.tree.leaves(keys)]


@pytest.mark.parametrize("kind", [nnx.Dropout, jaxdrop.nnx.Dropout])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("shared", [False, True])
def test_an_nnx_model_is_as_it_was(kind, mode, shared):
    model = net(kind)
    getattr(model, mode)()
    before, graph = leaves(model), nnx.graphdef(model)
    traced(model, X, 4, shared_masks=shared)
    assert nnx.graphdef(model) == graph
    for old, new in zip(before, leaves(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_that_raises_is_as_it_was():
    model = net()
    before, graph = leaves(model), nnx.graphdef(model)
    with pytest.raises(TypeError):
        sampled(model, X[:, :5], 4)
    assert nnx.graphdef(model) == graph
    for old, new in zip(before, leaves(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert jnp.isfinite(model(X)).all()


def test_it_is_a_function_of_its_key_and_of_the_model_as_it_was():
    model = net()
    predict = jaxdrop.nnx.predict(model, X)
    first = predict(KEY)
    model.head.kernel[...] *= 2
    np.testing.assert_array_equal(predict(KEY), first)
    np.testing.assert_array_equal(predict(jax.random.PRNGKey(5)), first)
    assert (predict(jax.random.key(6)) != first).any()
    with pytest.raises(TypeError, match="Expected a key; got 3"):
        predict(3)  # pyright: ignore


def test_further_arguments_are_passed_on():
    class Two(nnx.Module):
        def __init__(self):
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

        def __call__(self, x, weights, *, scale):
            return scale * self.dropout(x) @ weights

    for shared in (False, True):
        samples = sampled_of(Two(), X, jnp.ones((8, 2)), scale=3.0, shared_masks=shared)
        assert samples.shape == (50, 6, 2)
        np.testing.assert_allclose(samples[..., 0], samples[..., 1], rtol=1e-5)


@pytest.mark.parametrize("rate", [2e-5, 1e-7])
@pytest.mark.parametrize("kind", [nnx.Dropout, jaxdrop.nnx.Dropout])
def test_a_rate_so_low_that_samples_are_equal_is_active(kind, rate):
    samples = sampled(nnx.Sequential(kind(rate, rngs=nnx.Rngs(0))), X[:1, :2], 3)
    assert (samples == samples[:1]).all()  # else the test says nothing


def test_a_mode_at_the_call_turns_dropout_off():
    class Flagged(nnx.Module):
        def __init__(self):
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

        def __call__(self, x, train):
            return self.dropout(x, deterministic=not train)

    assert traced(Flagged(), X, 4, train=True).shape == (4, 6, 8)
    with pytest.raises(ValueError, match="no dropout site is active"):
        sampled(Flagged(), X, 4, train=False)


def expected_nnx(model):
    """The model's own inference: the mean over masks, because the head is linear."""
    view = nnx.clone(model)
    view.eval()
    return view(X)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("shared", [False, True])
def test_batch_norm_uses_its_averages(mode, shared):
    """At |z| < 5 for each of 12 outputs: false alarm below 1e-5 a test."""
    model, n = net(), 4000
    getattr(model, mode)()
    samples = sampled(model, X, n, shared_masks=shared)
    z = (samples.mean(0) - expected_nnx(model)) / (samples.std(0) / np.sqrt(n))
    assert abs(z).max() < 5


@pytest.mark.parametrize("shared", [False, True])
def test_masks_are_shared_over_inputs_only_if_asked(shared):
    twins = jnp.broadcast_to(X[:1], X.shape)
    samples = sampled(net(), twins, 8, shared_masks=shared)
    assert (abs(samples - samples[:, :1]).max() < 1e-6) == shared
    assert samples.std(0).min() > 0


@pytest.mark.parametrize("keep_rngs", [True, False])
def test_attention_drops(keep_rngs):
    model = attention(keep_rngs)
    model.eval()
    assert sampled(Around(model), SEQUENCE, 5).std(0).min() > 0
    assert sampled(model, SEQUENCE, 5).std(0).min() > 0


def test_every_stream_has_a_key_of_its_own():
    rngs = nnx.Rngs(0)
    sites = nnx.List([nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)])

    class Two(nnx.Module):
        def __init__(self):
            self.sites = sites

        def __call__(self, x):
            return jnp.stack([site(x) for site in self.sites])

    samples = sampled(Two(), jnp.ones(64), 3)
    assert (samples[:, 0] != samples[:, 1]).any(-1).all()


def test_sites_without_streams_are_given_them():
    class Late(nnx.Module):
        def __init__(self, rngs):
            self.dropout = nnx.Dropout(0.5)

        def __call__(self, x, rngs=None):
            return self.dropout(x, rngs=rngs)

    class Bare(nnx.Module):
        def __init__(self, rngs):
            self.dropout = nnx.Dropout(0.5)

        def __call__(self, x):
            return self.dropout(x)

    for kind in (Late, Bare):
        samples = sampled(kind(nnx.Rngs(0)), jnp.ones(64), 3)
        assert (samples[0] != samples[1]).any()


def test_the_caller_compiles_once():
    traces = []

    class Counted(Around):
        def __call__(self, x):
            traces.append(1)
            return self.inner(x)

    @nnx.jit
    def spread(key, model, x):
        return montecarlo.moments(key, jaxdrop.nnx.predict(model, x), 3).variance

    inner = net()
    first = spread(KEY, Counted(inner), X)
    traced = len(traces)
    inner.head.kernel[...] *= 2
    np.testing.assert_allclose(spread(KEY, Counted(inner), X), 4 * first, rtol=1e-5)
    assert len(traces) == traced


@pytest.mark.parametrize("model", [
    nnx.Linear(8, 2, rngs=nnx.Rngs(0)), net(rate=0.0), net(nnx.Dropout, 0.0),
    net(rate=jnp.zeros(16)),
], ids=["no site", "rate 0", "rate 0 of Flax", "rates 0 as variable"])  # fmt: skip
def test_a_model_without_dropout_is_refused(model):
    with pytest.raises(ValueError, match="no dropout site is active"):
        sampled(model, X, 4)


def test_streams_that_would_repeat_are_refused():
    with pytest.raises(TypeError, match="Expected no rngs"):
        sampled(net(), X, 4, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("model", [None, nnx.Linear, lambda x: x])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(TypeError, match=r"Expected an nnx.Module.*jaxdrop\.linen\.predict"):
        jaxdrop.nnx.predict(model, X)


def drops_and_bends():
    return nnx.Sequential(jaxdrop.nnx.Dropout(0.5, rngs=nnx.Rngs(0)), jnp.tanh)


@cache
def unsharded():
    return np.asarray(sampled(drops_and_bends(), X, 8))


@pytest.mark.parametrize(("kind", "chunk"), [("Auto", None), ("Explicit", 3)])
def test_inputs_may_be_sharded(kind, chunk):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(getattr(jax.sharding.AxisType, kind),))
    spec = jax.sharding.PartitionSpec("data")
    whole = unsharded()
    with jax.set_mesh(mesh):
        x = jax.device_put(X, jax.sharding.NamedSharding(mesh, spec))
        predict = jaxdrop.nnx.predict(drops_and_bends(), x)
        samples = montecarlo.sample(KEY, predict, 8, chunk=chunk)
        np.testing.assert_allclose(samples, whole, rtol=1e-6)
        found = montecarlo.moments(KEY, predict, 8, chunk=chunk or 32)
        np.testing.assert_allclose(found.mean, whole.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.variance, whole.var(0), rtol=1e-5, atol=1e-6)


def test_models_stream():
    fn = jaxdrop.nnx.predict(net(), X)
    samples = montecarlo.sample(KEY, fn, 20)
    found = montecarlo.moments(KEY, fn, 20, chunk=6)
    np.testing.assert_allclose(found.mean, samples.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.variance, samples.var(0), rtol=1e-4, atol=1e-5)
