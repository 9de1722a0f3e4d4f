"""Keys for shards, steps, layers and micro-batches."""

import itertools
import subprocess
import sys
from typing import Any

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


PARTS = list(
    itertools.product(range(12), [None, *range(8), "0", "1", "encoder"], [None, *range(4)])
)


def words(key: jax.Array) -> tuple[int, ...]:
    """A key as a value."""
    return tuple(jax.random.key_data(key).tolist())


def derived(root: jax.Array = KEY) -> dict[tuple, tuple[int, ...]]:
    """A key for every combination of parts."""
    return {
        (step, layer, micro): words(jaxdrop.derive(root, step=step, layer=layer, microbatch=micro))
        for step, layer, micro in PARTS[::3]
    }


def test_every_part_makes_another_key():
    keys = derived()
    assert len(set(keys.values())) == len(keys)


def test_derived_keys_are_no_other_keys():
    """Not those of split, of fold_in, of shard_key, nor one of another root."""
    other = {words(key) for key in jax.random.split(KEY, 64)} | {words(KEY)}
    other |= {words(jax.random.fold_in(KEY, i)) for i in range(64)}
    shard = jax.vmap(lambda _: jaxdrop.shard_key(KEY, "i"), axis_name="i")(jnp.arange(64))
    other |= set(map(words, shard))
    other |= set(derived(jax.random.key(4)).values())
    assert not other & set(derived().values())


def test_masks_of_layers_and_steps_are_independent():
    """Shares of agreement at z = 5 over 66 pairs: fails with probability 3.8e-5."""
    keys = [jaxdrop.derive(KEY, step=step, layer=layer) for step in range(4) for layer in range(3)]
    masks = [np.asarray(jaxdrop.keep_mask(key, 0.5, (4096,))) for key in keys]
    for one, other in itertools.combinations(masks, 2):
        assert abs((one == other).mean() - 0.5) < 5 * 0.5 / 64


def test_the_order_of_evaluation_and_tracing_do_not_matter():
    forward = derived()
    backward = {
        parts: words(jaxdrop.derive(KEY, step=parts[0], layer=parts[1], microbatch=parts[2]))
        for parts in reversed(forward)
    }
    assert forward == backward
    traced = jax.jit(lambda i, j, k: jaxdrop.derive(KEY, step=i, layer=j, microbatch=k))
    assert words(traced(3, 2, 1)) == words(jaxdrop.derive(KEY, step=3, layer=2, microbatch=1))
    mapped = jax.vmap(lambda s: jaxdrop.derive(KEY, step=s))(jnp.arange(4))
    assert list(map(words, mapped)) == [words(jaxdrop.derive(KEY, step=s)) for s in range(4)]


def test_legacy_roots_and_other_integers_agree():
    key = jaxdrop.derive(KEY, step=7)
    assert words(jaxdrop.derive(jax.random.PRNGKey(3), step=7)) == words(key)
    for step in (np.int64(7), np.uint8(7), jnp.uint32(7), jnp.int32(7)):
        assert words(jaxdrop.derive(KEY, step=step)) == words(key)
    assert words(jaxdrop.derive(KEY, step=2**32 - 1)) != words(key)


def test_a_run_that_starts_again_draws_the_same():
    """In another process, from (seed, step) alone, layers by name too."""
    program = (
        "import jax, jaxdrop; key = jaxdrop.derive(jax.random.key(3), step=5, layer='encoder');"
        "print(jax.random.key_data(key).tolist())"
    )
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    expected = list(words(jaxdrop.derive(KEY, step=5, layer="encoder")))
    assert again.stdout.strip() == str(expected)


def test_steps_and_shards_combine():
    def keys(step: int) -> set[tuple[int, ...]]:
        key = jaxdrop.derive(KEY, step=step)
        shards = jax.vmap(lambda _: jaxdrop.shard_key(key, "i"), axis_name="i")(jnp.arange(8))
        return set(map(words, shards))

    assert len(keys(0) | keys(1)) == 16


@pytest.mark.parametrize("parts", [{}, {"layer": 2}, {"layer": "a", "microbatch": 3}], ids=str)
def test_a_key_is_derived_in_one_call_however_many_its_parts(parts: dict[str, Any]):
    """Each further one would be dispatched on its own in an eager call."""
    program = jax.make_jaxpr(lambda key: jaxdrop.derive(key, step=1, **parts))(KEY)
    assert len(program.eqns) == 1
