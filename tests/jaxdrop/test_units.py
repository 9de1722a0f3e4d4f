"""Whole feature maps, and attention weights: what only they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(11)


@pytest.mark.parametrize("channel_dim", [-1, 1])
@pytest.mark.parametrize("space", [(5,), (3, 4), (2, 3, 2)], ids=["1d", "2d", "3d"])
def test_spatial_dropout_a_map_is_all_kept_or_all_dropped(space: tuple[int, ...], channel_dim: int):
    shape = (40, *space, 7) if channel_dim == -1 else (40, 7, *space)
    y = jaxdrop.spatial_dropout(KEY, jnp.ones(shape), 0.5, channel_dim=channel_dim)
    maps = np.moveaxis(np.asarray(y), channel_dim, 1).reshape(40, 7, -1)
    assert set(np.unique(maps)) == {0, 2}
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :, :1], maps.shape))
    assert np.unique(maps[:, :, 0], axis=0).shape[0] > 20  # examples differ


def test_spatial_dropout_the_batch_may_lie_anywhere_or_be_missing():
    x = jnp.ones((3, 8, 6))
    y = jaxdrop.spatial_dropout(KEY, x, 0.5, channel_dim=0, batch_dim=-1)
    np.testing.assert_array_equal(y, jaxdrop.dropout(KEY, x, 0.5, broadcast_dims=(1,)))
    y = jaxdrop.spatial_dropout(KEY, x, 0.5, batch_dim=None)
    np.testing.assert_array_equal(y, jaxdrop.dropout(KEY, x, 0.5, broadcast_dims=(0, 1)))


def test_spatial_dropout_rates_of_channels_and_of_examples():
    x, rates = jnp.ones((2, 5, 3)), jnp.array([0.0, 0.4, 1.0])
    y = jaxdrop.spatial_dropout(KEY, x, rates)
    assert y[..., 0].all()
    assert not y[..., 2].any()
    y = jaxdrop.spatial_dropout(KEY, x, jnp.array([0.0, 1.0])[:, None, None])
    assert y[0].all()
    assert not y[1].any()


OTHER = jax.random.key(10)
WEIGHTS = jnp.ones((3, 4, 5, 16))


def test_attention_dropout_every_example_and_head_has_its_own_mask():
    masks = np.asarray(jaxdrop.attention_dropout(OTHER, WEIGHTS, 0.5)).reshape(12, -1)
    assert len(np.unique(masks, axis=0)) == 12


def test_attention_dropout_it_is_shared_only_along_the_axes_asked_for():
    y = np.asarray(jaxdrop.attention_dropout(OTHER, WEIGHTS, 0.5, broadcast_dims=(1,)))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert len(np.unique(y[:, 0].reshape(3, -1), axis=0)) == 3


def test_attention_dropout_what_is_masked_stays_masked():
    causal = jnp.tril(jnp.ones((16, 16), bool))
    weights = jax.nn.softmax(jnp.where(causal, 0.0, -jnp.inf))
    dropped = jaxdrop.attention_dropout(OTHER, weights, 0.3)
    np.testing.assert_array_equal(jnp.where(causal, 0, dropped), jnp.zeros((16, 16)))


def test_attention_dropout_each_head_may_have_its_own_rate():
    rates = jnp.array([0.0, 0.5, 0.5, 1.0]).reshape(4, 1, 1)
    y = jaxdrop.attention_dropout(OTHER, WEIGHTS, rates)
    np.testing.assert_array_equal(y[:, 0], WEIGHTS[:, 0])
    np.testing.assert_array_equal(y[:, 3], jnp.zeros((3, 5, 16)))
