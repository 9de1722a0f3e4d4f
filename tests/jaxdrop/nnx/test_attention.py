"""Attention in linear memory, as Flax NNX calls it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdrop
from jaxdrop.nnx import DotProductAttention, dot_product_attention, dropout_sites

SOWN = pytest.mark.filterwarnings("ignore:Using .Module.sow")
X: Any = np.random.default_rng(0).normal(size=(3, 10, 16)).astype(np.float32)
DROPS = {"dropout_rate": 0.3, "deterministic": False}


def layer(attention_fn=dot_product_attention, **options):
    options = {"decode": False, "rngs": nnx.Rngs(0)} | options
    return nnx.MultiHeadAttention(4, 16, attention_fn=attention_fn, **options)


def plain(**options):
    return layer(nnx.dot_product_attention, **options)


@pytest.mark.parametrize("mask", [None, nnx.make_causal_mask(X[..., 0])], ids=["all", "causal"])
@pytest.mark.parametrize("shape", [(3, 10, 16), (10, 16), (2, 3, 10, 16)])
def test_it_is_flax_without_dropout(mask, shape):
    x, ours, flax = np.resize(X, shape), layer(), plain()
    mask = mask if mask is None else mask[:1] if x.ndim > 2 else mask[0]
    both = jax.jit(lambda x: (ours(x, mask=mask), flax(x, mask=mask)))
    np.testing.assert_allclose(*both(x), atol=2e-6)


def test_the_arguments_are_those_of_flax():
    import inspect

    ours, theirs = (
        list(inspect.signature(f).parameters)
        for f in (dot_product_attention, nnx.dot_product_attention)
    )
    assert ours == theirs


@SOWN
@pytest.mark.parametrize("shared", [True, False])
def test_weights_that_are_sown_are_dropped_by_the_same_masks(shared):
    one, other = (layer(broadcast_dropout=shared, **DROPS) for _ in range(2))
    shown = other(X, sow_weights=True)
    np.testing.assert_allclose(one(X), shown, atol=2e-6)
    (weights,) = jax.tree.leaves(nnx.pop(other, nnx.Intermediate))
    assert weights.shape == (3, 4, 10, 10)


@pytest.mark.parametrize("shared", [True, False])
def test_one_mask_for_all_heads_or_one_each(shared):
    unit: Any = np.tile(np.eye(10, dtype=np.float32)[:, None], (2, 3, 1, 4, 1))
    key, zeros = jax.random.key(1), unit[..., :2] * 0
    weights = dot_product_attention(
        zeros, zeros, unit, dropout_rng=key, dropout_rate=0.3, broadcast_dropout=shared
    )
    tied = (0, 1) if shared else ()
    mask = jaxdrop.keep_mask(key, 0.3, (6, 4, 10, 10), broadcast_dims=tied)
    found = np.swapaxes(weights, 2, 3).reshape(mask.shape)
    np.testing.assert_array_equal(found != 0, mask)


def test_deterministic_asks_for_no_key_and_dropping_does():
    zeros: Any = np.zeros((1, 10, 4, 2), np.float32)
    off = dot_product_attention(zeros, zeros, zeros, dropout_rate=0.3, deterministic=True)
    assert off.shape == zeros.shape
    with pytest.raises(ValueError, match="Expected a key as dropout_rng where attention drops"):
        dot_product_attention(zeros, zeros, zeros, dropout_rate=0.3)


def test_decoding_step_by_step_is_causal_attention():
    stepwise = layer(decode=True)
    stepwise.init_cache(X.shape)
    step = nnx.jit(lambda model, x: model(x))
    steps = [step(stepwise, X[:, i : i + 1]) for i in range(10)]
    whole = layer()(X, mask=nnx.make_causal_mask(X[..., 0]))
    np.testing.assert_allclose(np.concatenate(steps, axis=1), whole, atol=3e-6)


def test_a_site_holds_rate_mode_and_stream():
    rate = jnp.full((4, 1, 1), 0.3)
    model = layer(DotProductAttention(rate, rngs=nnx.Rngs(1)))
    (site,) = dropout_sites(model)
    assert (site.path, site.kind, site.deterministic) == (
        ("attention_fn",), "DotProductAttention", False
    )  # fmt: skip
    assert (model(X) != model(X)).any()
    model.eval()
    np.testing.assert_allclose(model(X), plain()(X), atol=2e-6)


@SOWN
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_a_site_drops_sown_weights_by_the_same_masks(bits):
    one, other = (layer(DotProductAttention(0.3, bits=bits, rngs=nnx.Rngs(1))) for _ in range(2))
    np.testing.assert_allclose(one(X), other(X, sow_weights=True), atol=2e-6)


def test_a_site_wants_no_second_rate():
    model = layer(DotProductAttention(0.3, rngs=nnx.Rngs(1)), **DROPS)
    with pytest.raises(ValueError, match="Expected Flax's own dropout_rate to be 0"):
        model(X)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.attention = layer(DotProductAttention(0.1, rngs=rngs), rngs=rngs)

    def __call__(self, x):
        return x + self.attention(x) / 4


def test_layers_under_scan_and_remat_train():
    @nnx.split_rngs(splits=12)
    @nnx.vmap
    def stacked(rngs):
        return Block(rngs)

    @partial(nnx.scan, in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
    @nnx.remat
    def run(x, block):
        return block(x)

    @nnx.jit
    def step(blocks):
        loss = lambda blocks: jnp.mean((run(X, blocks) - 1) ** 2)  # noqa: E731
        value, gradient = nnx.value_and_grad(loss)(blocks)
        params = nnx.state(blocks, nnx.Param)
        nnx.update(blocks, jax.tree.map(lambda p, g: p - 0.05 * g, params, gradient))
        return value

    blocks = stacked(nnx.Rngs(0))
    losses = [float(step(blocks)) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]
