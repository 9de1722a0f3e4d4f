"""Attention in linear memory, as Flax Linen calls it."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

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
