"""Sites of a Linen model, found by tracing a call."""

import jax.numpy as jnp
import pytest
from flax import linen as nn

import jaxdrop.linen

X = jnp.ones((2, 5, 16))


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.MultiHeadDotProductAttention(4, dropout_rate=0.3)(x, deterministic=not train)
        x = jaxdrop.linen.DropPath(0.2, name="path")(x, not train)
        x = nn.Dropout(0.5, rng_collection="noise")(x, deterministic=not train)
        return jaxdrop.linen.GaussianNoise(stddev=2.0, deterministic=True)(x)


@pytest.mark.parametrize("train", [True, False])
def test_sites_are_listed_in_the_order_of_the_calls(train):
    sites = jaxdrop.linen.dropout_sites(Model(), X, train=train)
    assert [tuple(site) for site in sites] == [
        (
            ("MultiHeadDotProductAttention_0",),
            "MultiHeadDotProductAttention",
            0.3,
            "dropout",
            not train,
        ),
        (("path",), "DropPath", 0.2, "dropout", not train),
        (("Dropout_0",), "Dropout", 0.5, "noise", not train),
        (("GaussianNoise_0",), "GaussianNoise", 2.0, "dropout", True),
    ]
