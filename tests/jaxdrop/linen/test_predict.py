"""Linen modules as functions of a key: what drops, what does not, what stays as it was."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.errors import ModifyScopeVariableError, ScopeParamShapeError

import jaxdrop.linen
from jaxdrop import montecarlo

KEY = jax.random.key(5)
X = jax.random.normal(jax.random.key(1), (6, 8))
SEQUENCE = jax.random.normal(jax.random.key(2), (3, 4, 8))


def sampled(module, variables, x, n, **options):
    return montecarlo.sample(KEY, jaxdrop.linen.predict(module, variables, x, **options), n)


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
    samples = sampled(module, variables, X, n, train=train)
    inference = module.apply(variables, X, train=False)
    assert abs((samples.mean(0) - inference) / (samples.std(0) / np.sqrt(n))).max() < 5
    assert samples.std(0).min() > 0


@pytest.mark.parametrize("kind", [nn.MultiHeadDotProductAttention, nn.SelfAttention])
def test_linen_attention_drops(kind):
    module = kind(2, dropout_rate=0.5, deterministic=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # SelfAttention is deprecated
        variables = module.init(jax.random.key(0), SEQUENCE)
        samples = sampled(module, variables, SEQUENCE, 5)
    assert samples.std(0).min() > 0


def test_a_linen_module_that_holds_a_list():
    class Listed(nn.Module):
        widths: list

        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.5, deterministic=True)(nn.Dense(self.widths[0])(x))

    module = Listed([4])
    variables = module.init(KEY, X)
    assert sampled(module, variables, X, 3).shape == (3, 6, 4)


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
        sampled(Own(), variables, X, 3, train=True)
    assert sampled(Own(), variables, X, 3, train=False).shape == (3, 6, 8)


@pytest.mark.parametrize(
    "module", [nn.Dense(2), nn.Dropout(0.0, deterministic=True)], ids=["no site", "rate 0"]
)
def test_a_linen_module_without_dropout_is_refused(module):
    variables = module.init(KEY, X)
    with pytest.raises(ValueError, match="no dropout site is active"):
        sampled(module, variables, X, 4)


@pytest.mark.parametrize("name", ["rngs", "mutable"])
def test_what_linen_arguments_are_refused(name):
    arguments: dict[str, Any] = {"train": False, name: {}}
    with pytest.raises(TypeError, match=f"Expected no {name}"):
        sampled(LinenNet(), VARIABLES, X, 4, **arguments)


@pytest.mark.parametrize("shared", [False, True])
def test_masks_are_shared_over_inputs_only_if_asked(shared):
    twins = jnp.broadcast_to(X[:1], X.shape)
    samples = sampled(LinenNet(), VARIABLES, twins, 8, shared_masks=shared, train=False)
    assert (abs(samples - samples[:, :1]).max() < 1e-6) == shared
    assert samples.std(0).min() > 0


class TwoNames(nn.Module):
    @nn.compact
    def __call__(self, x):
        first = nn.Dropout(0.5, rng_collection="first", deterministic=False)
        return jnp.stack([first(x), jaxdrop.linen.Dropout(0.5, deterministic=False)(x)])


def test_every_name_has_a_key_of_its_own():
    samples = sampled(TwoNames(), {}, jnp.ones((1, 64)), 3, rng_collections=("dropout", "first"))
    assert (samples[:, 0] != samples[:, 1]).any((-1, -2)).all()
    with pytest.raises(TypeError, match=r"Expected a sequence of names.*got 'first'"):
        jaxdrop.linen.predict(TwoNames(), {}, X, rng_collections="first")


def test_a_module_that_raises_is_as_it_was():
    module = LinenNet()
    with pytest.raises(ScopeParamShapeError):
        sampled(module, VARIABLES, X[:, :5], 4, train=False)
    fresh = LinenNet().apply(VARIABLES, X, train=False)
    np.testing.assert_array_equal(module.apply(VARIABLES, X, train=False), fresh)


def test_it_is_a_function_of_its_key():
    predict = jaxdrop.linen.predict(LinenNet(), VARIABLES, X, False)
    first = predict(KEY)
    np.testing.assert_array_equal(predict(jax.random.PRNGKey(5)), first)
    assert (predict(jax.random.key(6)) != first).any()
    with pytest.raises(TypeError, match="Expected a key; got 3"):
        predict(3)  # pyright: ignore


@pytest.mark.parametrize("kind", [nn.Dropout, jaxdrop.linen.Dropout])
def test_a_rate_so_low_that_samples_are_equal_is_active(kind):
    samples = sampled(kind(2e-5, deterministic=True), {}, X[:1, :2], 3)
    assert (samples == samples[:1]).all()  # else the test says nothing


@pytest.mark.parametrize("module", [None, nn.Dense, lambda x: x])
def test_what_is_no_module_is_refused(module):
    with pytest.raises(TypeError, match=r"Expected a flax.linen.Module.*jaxdrop\.nnx\.predict"):
        jaxdrop.linen.predict(module, {}, X)
