"""Flax models: what drops, what does not, and that they are as they were afterwards."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx
from flax.errors import ModifyScopeVariableError

import jaxdrop.linen
import jaxdrop.nnx
from jaxdrop import montecarlo

KEY = jax.random.key(5)
X = jax.random.normal(jax.random.key(1), (6, 8))
SEQUENCE = jax.random.normal(jax.random.key(2), (3, 4, 8))


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
    model.norm.mean[...] = jnp.linspace(-1, 1, 16)  # far from those of a batch
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
    montecarlo.sample_nnx(model, X, KEY, 4, shared_masks=shared)
    assert nnx.graphdef(model) == graph
    for old, new in zip(before, leaves(model), strict=True):
        np.testing.assert_array_equal(old, new)


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
    samples = montecarlo.sample_nnx(model, X, KEY, n, shared_masks=shared)
    z = (samples.mean(0) - expected_nnx(model)) / (samples.std(0) / np.sqrt(n))
    assert abs(z).max() < 5


@pytest.mark.parametrize("shared", [False, True])
def test_masks_are_shared_over_inputs_only_if_asked(shared):
    twins = jnp.broadcast_to(X[:1], X.shape)
    for samples in (
        montecarlo.sample_nnx(net(), twins, KEY, 8, shared_masks=shared),
        montecarlo.sample_linen(LinenNet(), VARIABLES, twins, KEY, 8, shared_masks=shared,
                                train=False),
    ):  # fmt: skip
        assert (abs(samples - samples[:, :1]).max() < 1e-6) == shared
        assert samples.std(0).min() > 0


@pytest.mark.parametrize("keep_rngs", [True, False])
def test_attention_drops(keep_rngs):
    model = attention(keep_rngs)
    model.eval()
    assert montecarlo.sample_nnx(Around(model), SEQUENCE, KEY, 5).std(0).min() > 0
    assert montecarlo.sample_nnx(model, SEQUENCE, KEY, 5).std(0).min() > 0


def test_every_stream_has_a_key_of_its_own():
    rngs = nnx.Rngs(0)
    sites = nnx.List([nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)])

    class Two(nnx.Module):
        def __init__(self):
            self.sites = sites

        def __call__(self, x):
            return jnp.stack([site(x) for site in self.sites])

    samples = montecarlo.sample_nnx(Two(), jnp.ones(64), KEY, 3)
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
        samples = montecarlo.sample_nnx(kind(nnx.Rngs(0)), jnp.ones(64), KEY, 3)
        assert (samples[0] != samples[1]).any()


def test_new_weights_are_not_compiled_for():
    from jaxdrop.montecarlo import sampling

    model = net()
    montecarlo.sample_nnx(model, X, KEY, 3)
    program = sampling._PROGRAMS[sampling._draw]
    compiled = program._cache_size()  # pyright: ignore
    model.head.kernel[...] *= 2
    montecarlo.sample_nnx(model, 2 * X, KEY, 3)
    assert program._cache_size() == compiled  # pyright: ignore


@pytest.mark.parametrize("model", [
    nnx.Linear(8, 2, rngs=nnx.Rngs(0)), net(rate=0.0), net(nnx.Dropout, 0.0),
    net(rate=jnp.zeros(16)),
], ids=["no site", "rate 0", "rate 0 of Flax", "rates 0 as variable"])  # fmt: skip
def test_a_model_without_dropout_is_refused(model):
    with pytest.raises(ValueError, match="no dropout site is active"):
        montecarlo.sample_nnx(model, X, KEY, 4)


def test_streams_that_would_repeat_are_refused():
    with pytest.raises(TypeError, match="Expected no rngs"):
        montecarlo.sample_nnx(net(), X, KEY, 4, rngs=nnx.Rngs(0))


class LinenNet(nn.Module):
    rate: float = 0.5
    kind: type = jaxdrop.linen.Dropout

    @nn.compact
    def __call__(self, x, train):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(16)(x))
        return nn.Dense(2)(self.kind(self.rate, deterministic=not train)(nn.tanh(x)))


class LinenCall(nn.Module):
    """The flags at the call, batch norm's as a positional argument."""

    def setup(self):
        self.norm, self.dropout, self.head = nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(2)

    def __call__(self, x, train):
        return self.head(self.dropout(self.norm(x, not train), not train))


def variables_of(module):
    variables = module.init(jax.random.key(0), X, train=False)
    shifted = jax.tree.map(lambda leaf: leaf + 0.5, variables["batch_stats"])
    return {**variables, "batch_stats": shifted}


VARIABLES = variables_of(LinenNet())


@pytest.mark.parametrize("module", [LinenNet(), LinenNet(kind=nn.Dropout), LinenCall()],
                         ids=["jaxdrop", "flax", "call"])  # fmt: skip
@pytest.mark.parametrize("train", [False, True])
def test_a_linen_module_drops_and_keeps_its_averages(module, train):
    """At |z| < 5 for each of 12 outputs: false alarm below 1e-5 a test."""
    n, variables = 4000, variables_of(module)
    samples = montecarlo.sample_linen(module, variables, X, KEY, n, train=train)
    inference = module.apply(variables, X, train=False)
    assert abs((samples.mean(0) - inference) / (samples.std(0) / np.sqrt(n))).max() < 5
    assert samples.std(0).min() > 0


@pytest.mark.parametrize("kind", [nn.MultiHeadDotProductAttention, nn.SelfAttention])
def test_linen_attention_drops(kind):
    module = kind(2, dropout_rate=0.5, deterministic=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # SelfAttention is deprecated
        variables = module.init(jax.random.key(0), SEQUENCE)
        samples = montecarlo.sample_linen(module, variables, SEQUENCE, KEY, 5)
    assert samples.std(0).min() > 0


def test_a_linen_module_that_holds_a_list():
    class Listed(nn.Module):
        widths: list

        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.5, deterministic=True)(nn.Dense(self.widths[0])(x))

    module = Listed([4])
    variables = module.init(KEY, X)
    assert montecarlo.sample_linen(module, variables, X, KEY, 3).shape == (3, 6, 4)


def test_a_batch_norm_that_wants_to_write_is_not_let():
    class Own(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            mean = self.variable("batch_stats", "mean", lambda: jnp.zeros(()))
            if train:
                mean.value = x.mean()
            return nn.Dropout(0.5, deterministic=not train)(x - mean.value)

    variables = Own().init(KEY, X, train=False)
    with pytest.raises(ModifyScopeVariableError):
        montecarlo.sample_linen(Own(), variables, X, KEY, 3, train=True)
    assert montecarlo.sample_linen(Own(), variables, X, KEY, 3, train=False).shape == (3, 6, 8)


@pytest.mark.parametrize(
    "module", [nn.Dense(2), nn.Dropout(0.0, deterministic=True)], ids=["no site", "rate 0"]
)
def test_a_linen_module_without_dropout_is_refused(module):
    variables = module.init(KEY, X)
    with pytest.raises(ValueError, match="no dropout site is active"):
        montecarlo.sample_linen(module, variables, X, KEY, 4)


@pytest.mark.parametrize("name", ["rngs", "mutable"])
def test_what_linen_arguments_are_refused(name):
    arguments: dict[str, Any] = {"train": False, name: {}}
    with pytest.raises(TypeError, match=f"Expected no {name}"):
        montecarlo.sample_linen(LinenNet(), VARIABLES, X, KEY, 4, **arguments)


def test_models_stream():
    fn = montecarlo.predict_nnx(net(), X)
    samples = montecarlo.sample(KEY, fn, 20)
    found = montecarlo.moments(KEY, fn, 20, chunk=6)
    np.testing.assert_allclose(found.mean, samples.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.variance, samples.var(0), rtol=1e-4, atol=1e-5)
