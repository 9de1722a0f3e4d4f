"""Attention dropout: what only it promises."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxdrop

KEY = jax.random.key(10)
WEIGHTS = jnp.ones((3, 4, 5, 16))


def test_every_example_and_head_has_its_own_mask():
    masks = np.asarray(jaxdrop.attention_dropout(KEY, WEIGHTS, 0.5)).reshape(12, -1)
    assert len(np.unique(masks, axis=0)) == 12


def test_it_is_shared_only_along_the_axes_asked_for():
    y = np.asarray(jaxdrop.attention_dropout(KEY, WEIGHTS, 0.5, broadcast_dims=(1,)))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert len(np.unique(y[:, 0].reshape(3, -1), axis=0)) == 3


def test_what_is_masked_stays_masked():
    causal = jnp.tril(jnp.ones((16, 16), bool))
    weights = jax.nn.softmax(jnp.where(causal, 0.0, -jnp.inf))
    dropped = jaxdrop.attention_dropout(KEY, weights, 0.3)
    np.testing.assert_array_equal(jnp.where(causal, 0, dropped), jnp.zeros((16, 16)))


def test_each_head_may_have_its_own_rate():
    rates = jnp.array([0.0, 0.5, 0.5, 1.0]).reshape(4, 1, 1)
    y = jaxdrop.attention_dropout(KEY, WEIGHTS, rates)
    np.testing.assert_array_equal(y[:, 0], WEIGHTS[:, 0])
    np.testing.assert_array_equal(y[:, 3], jnp.zeros((3, 5, 16)))
