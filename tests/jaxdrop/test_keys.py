"""Keys for shards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxdrop

KEY = jax.random.key(3)


def masks(axes: str | tuple[str, ...] | None) -> np.ndarray:
    """The masks of eight shards, one a row."""
    mesh = jax.make_mesh((4, 2), ("a", "b"))

    def shard(key: jax.Array) -> jax.Array:
        key = key if axes is None else jaxdrop.shard_key(key, axes)
        return jaxdrop.keep_mask(key, 0.5, (1, 64))

    mapped = jax.shard_map(shard, mesh=mesh, in_specs=P(), out_specs=P(("a", "b")))
    return np.asarray(jax.jit(mapped)(KEY))


def test_without_a_shard_key_all_shards_draw_one_mask():
    assert len(np.unique(masks(None), axis=0)) == 1


@pytest.mark.parametrize(("axes", "distinct"), [("a", 4), ("b", 2), (("a", "b"), 8)])
def test_masks_differ_along_the_named_axes_alone(axes: str | tuple[str, ...], distinct: int):
    assert len(np.unique(masks(axes), axis=0)) == distinct


def test_shard_keys_are_no_step_keys():
    steps = {tuple(jax.random.key_data(jax.random.fold_in(KEY, i)).tolist()) for i in range(64)}
    shard = jax.vmap(lambda _: jaxdrop.shard_key(KEY, "i"), axis_name="i")(jnp.arange(64))
    shards = set(map(tuple, jax.random.key_data(shard).tolist()))
    assert len(shards) == 64
    assert not steps & shards


def test_an_axis_that_is_not_bound_is_named():
    with pytest.raises(NameError, match="rows"):
        jaxdrop.shard_key(KEY, "rows")


@pytest.mark.parametrize("manual", [("a", "b"), ("a",)], ids=str)
def test_dropout_and_its_gradient_work_inside_shard_map(manual: tuple[str, ...]):
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(jax.sharding.AxisType.Auto,) * 2)

    def shard(key: jax.Array, x: jax.Array) -> jax.Array:
        key = jaxdrop.shard_key(key, manual)
        return jax.grad(lambda x: jaxdrop.dropout(key, x, 0.5).sum())(x)

    mapped = jax.shard_map(
        shard,
        mesh=mesh,
        in_specs=(P(), P(manual)),
        out_specs=P(manual),
        axis_names=set(manual),
    )
    gradient = jax.jit(mapped)(KEY, jnp.ones((8, 512)))
    assert set(np.unique(gradient)) == {0.0, 2.0}
