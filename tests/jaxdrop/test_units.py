"""Whole feature maps are dropped, each example's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(11)


@pytest.mark.parametrize("channel_dim", [-1, 1])
@pytest.mark.parametrize("space", [(5,), (3, 4), (2, 3, 2)], ids=["1d", "2d", "3d"])
def test_a_map_is_all_kept_or_all_dropped(space: tuple[int, ...], channel_dim: int):
    shape = (40, *space, 7) if channel_dim == -1 else (40, 7, *space)
    y = jaxdrop.spatial_dropout(KEY, jnp.ones(shape), 0.5, channel_dim=channel_dim)
    maps = np.moveaxis(np.asarray(y), channel_dim, 1).reshape(40, 7, -1)
    assert set(np.unique(maps)) == {0, 2}
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :, :1], maps.shape))
    assert np.unique(maps[:, :, 0], axis=0).shape[0] > 20  # examples differ


def test_the_batch_may_lie_anywhere_or_be_missing():
    x = jnp.ones((3, 8, 6))
    y = jaxdrop.spatial_dropout(KEY, x, 0.5, channel_dim=0, batch_dim=-1)
    np.testing.assert_array_equal(y, jaxdrop.dropout(KEY, x, 0.5, broadcast_dims=(1,)))
    y = jaxdrop.spatial_dropout(KEY, x, 0.5, batch_dim=None)
    np.testing.assert_array_equal(y, jaxdrop.dropout(KEY, x, 0.5, broadcast_dims=(0, 1)))


def test_rates_of_channels_and_of_examples():
    x, rates = jnp.ones((2, 5, 3)), jnp.array([0.0, 0.4, 1.0])
    y = jaxdrop.spatial_dropout(KEY, x, rates)
    assert y[..., 0].all()
    assert not y[..., 2].any()
    y = jaxdrop.spatial_dropout(KEY, x, jnp.array([0.0, 1.0])[:, None, None])
    assert y[0].all()
    assert not y[1].any()
