"""Attention in linear memory, as Flax Linen calls it."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from jaxdrop.linen import dot_product_attention

X = jax.random.normal(jax.random.key(0), (3, 10, 16))
RNGS = {"params": jax.random.key(0), "dropout": jax.random.key(1)}


def run(attention_fn=dot_product_attention, mask=None, sow_weights=False, **options: Any):
    layer = nn.MultiHeadDotProductAttention(
        4, attention_fn=attention_fn, deterministic=False, **options
    )
    return layer.init_with_output(RNGS, X, mask=mask, sow_weights=sow_weights)[0]


def test_the_arguments_are_those_of_flax():
    ours, theirs = (
        list(inspect.signature(f).parameters)
        for f in (dot_product_attention, nn.dot_product_attention)
    )
    assert ours == theirs


@pytest.mark.parametrize("mask", [None, nn.make_causal_mask(X[..., 0])], ids=["all", "causal"])
def test_it_is_flax_without_dropout(mask):
    np.testing.assert_allclose(run(mask=mask), run(nn.dot_product_attention, mask=mask), atol=2e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_weights_that_are_sown_are_dropped_by_the_same_masks(shared):
    options: dict[str, Any] = {"dropout_rate": 0.3, "broadcast_dropout": shared}
    dropped = run(**options)
    np.testing.assert_allclose(dropped, run(sow_weights=True, **options), atol=2e-6)
    assert jnp.abs(dropped - run()).max() > 0.01


def test_products_of_ones_own_are_taken():
    """Both of them: a quantised layer has quantised weights and quantised sums."""
    seen = []

    def einsum(spec, *arrays, **options):
        seen.append(spec)
        return jnp.einsum(spec, *arrays, **options)

    own: dict[str, Any] = {"qk_attn_weights_einsum_cls": lambda: einsum}
    own |= {"attn_weights_value_einsum_cls": lambda: einsum}
    np.testing.assert_allclose(run(dropout_rate=0.3, **own), run(dropout_rate=0.3), atol=2e-6)
    assert {spec.split("->")[1] for spec in seen} == {"...hqk", "...qhd"}


HIGH, HIGHEST, PRESET = lax.Precision.HIGH, lax.Precision.HIGHEST, lax.DotAlgorithmPreset


@pytest.mark.parametrize(
    "precision", ["highest", HIGH, (HIGH, HIGHEST), PRESET.F32_F32_F32], ids=str
)
@pytest.mark.parametrize("sow_weights", [False, True])
def test_every_precision_of_flax_is_one(precision, sow_weights):
    own = run(precision=precision, sow_weights=sow_weights)
    np.testing.assert_allclose(own, run(nn.dot_product_attention, precision=precision), atol=2e-6)
