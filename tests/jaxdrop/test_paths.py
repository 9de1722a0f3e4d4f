"""Stochastic depth and DropBlock: what only they promise."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Literal

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxdrop
from jaxdrop.blocks import plan_blocks
from tests.jaxdrop.arrays import normal, ones
from tests.jaxdrop.test_sharding import COLLECTIVE, KINDS

KEY = jax.random.key(4)


def test_drop_path_a_row_shares_its_fate_and_rows_differ():
    y = np.asarray(jaxdrop.drop_path(KEY, ones(64, 3, 5), 0.5)).reshape(64, -1)
    assert set(y.min(1)) == {0.0, 2.0}
    np.testing.assert_array_equal(y.min(1), y.max(1))


def test_drop_path_rows_lie_along_the_batch_axis():
    y = jaxdrop.drop_path(KEY, ones(3, 64), 0.5, batch_dim=1)
    np.testing.assert_array_equal(y, np.asarray(jaxdrop.drop_path(KEY, ones(64, 3), 0.5)).T)


def test_drop_path_a_batch_shares_one_fate():
    keys, x = jax.random.split(KEY, 64), ones(4, 3)
    drop = jax.jit(jax.vmap(lambda key: jaxdrop.drop_path(key, x, 0.5, mode="batch")))
    ys = np.asarray(drop(keys))
    assert set(np.unique(ys.min((1, 2)))) == {0.0, 2.0}
    np.testing.assert_array_equal(ys.min((1, 2)), ys.max((1, 2)))


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_drop_path_the_scale_is_explicit(mode: Literal["row", "batch"]):
    keys, x = jax.random.split(KEY, 16), jax.device_put(np.full((4, 3), 3, np.float32))

    @jax.jit  # one program
    def paths(keys: jax.Array) -> list[jax.Array]:
        drop = partial(jaxdrop.drop_path, mode=mode)
        return [jax.vmap(lambda k, s=s: drop(k, x, 0.25, scale=s))(keys) for s in (False, True)]

    plain, scaled = map(np.asarray, paths(keys))
    assert set(np.unique(plain)) == {0.0, 3.0}
    np.testing.assert_array_equal(scaled, plain / np.float32(0.75))


def test_drop_path_each_example_may_have_its_own_rate():
    rates = np.array([0.0, 0.5, 1.0], np.float32)[:, None]
    y = np.asarray(jaxdrop.drop_path(KEY, ones(3, 4), rates))
    np.testing.assert_array_equal(y[0], np.ones(4))
    assert y[1, 0] in (0.0, 2.0)
    np.testing.assert_array_equal(y[2], np.zeros(4))


SIZES = {
    "1d": ((40,), 4),
    "odd": ((12, 12), 3),
    "even": ((12, 12), 4),
    "not-square": ((9, 17), (2, 5)),
    "volume": ((5, 6, 7), (3, 2, 4)),
    "one": ((6, 6), 1),
    "map": ((4, 6), (4, 6)),
    "beyond": ((4, 6), 9),
    "thin": ((4, 9), (7, 2)),
}


def brute_share(spatial: tuple[int, ...], sides: tuple[int, ...], gamma: float) -> float:
    """The expected kept share, counting the blocks over every position one by one."""
    cover = np.zeros(spatial)
    for start in product(
        *[range(size - side + 1) for size, side in zip(spatial, sides, strict=True)]
    ):
        cover[tuple(slice(s, s + side) for s, side in zip(start, sides, strict=True))] += 1
    return ((1 - gamma) ** cover).mean()


@pytest.mark.parametrize("name", SIZES)
def test_drop_block_the_seed_probability_solves_the_exact_expression(name: str):
    spatial, size = SIZES[name]
    blocks = plan_blocks((2, *spatial, 3), size, 0, -1, False)
    given = np.array([0.01, 0.2, 0.7, 0.99])
    found = jax.jit(blocks.unseeded_probability)(np.float32(1 - given))
    for rate, unseeded in zip(given, np.asarray(found, float), strict=True):
        kept = brute_share(spatial, blocks.sides, 1 - unseeded)
        slope = max(np.prod(blocks.sides), 1)  # a seed step of 2^-23 moves the share by no more
        assert abs(kept - (1 - rate)) < 4e-6 + slope * 2.0**-23


def blocks_dropped(name: str, rate: float) -> np.ndarray:
    """Which entries of 600 examples of two channels are dropped."""
    spatial, size = SIZES[name]
    y = jaxdrop.drop_block(KEY, ones(600, *spatial, 2), rate, block_size=size)
    return np.asarray(y) == 0


@pytest.mark.parametrize("name", SIZES)
def test_drop_block_the_dropped_share_is_the_rate(name: str):
    """Over 18 comparisons at z = 5 a correct implementation fails with probability 1.1e-5."""
    for rate in (0.2, 0.5):
        shares = blocks_dropped(name, rate).reshape(600, -1).mean(1)
        assert abs(shares.mean() - rate) < 5 * shares.std() / np.sqrt(600)


@pytest.mark.parametrize("name", SIZES)
def test_drop_block_what_is_dropped_is_a_union_of_whole_blocks(name: str):
    spatial, size = SIZES[name]
    sides = plan_blocks((4, *spatial, 2), size, 0, -1, False).sides
    dropped = blocks_dropped(name, 0.3)[:4]
    for image in np.moveaxis(dropped, -1, 1).reshape(8, *spatial):
        inside = np.zeros(spatial, bool)
        for start in product(*[range(a - b + 1) for a, b in zip(spatial, sides, strict=True)]):
            block = tuple(slice(s, s + side) for s, side in zip(start, sides, strict=True))
            inside[block] |= image[block].all()
        np.testing.assert_array_equal(image, inside)


def test_drop_block_each_example_is_rescaled_by_its_own_share():
    x = ones(100, 4, 4, 3)
    y = np.asarray(jaxdrop.drop_block(KEY, x, 0.7, block_size=3, shared_channels=True))
    some = (y != 0).any((1, 2, 3))
    assert 0 < some.sum() < 100
    np.testing.assert_allclose(y.mean((1, 2, 3)), some, rtol=1e-6)
    x = x.at[1:].set(7)
    other = jaxdrop.drop_block(KEY, x, 0.7, block_size=3, shared_channels=True)
    np.testing.assert_array_equal(other[0], y[0])


def test_drop_block_channels_share_blocks_only_if_asked():
    def kept(*, shared: bool) -> np.ndarray:
        x = ones(8, 10, 10, 4)
        return np.asarray(jaxdrop.drop_block(KEY, x, 0.4, block_size=3, shared_channels=shared)) > 0

    assert (kept(shared=True) == kept(shared=True)[..., :1]).all()
    free = kept(shared=False)
    assert (free[..., 1:] != free[..., :1]).any((1, 2)).all()


def test_drop_block_axes_may_lie_anywhere():
    y = jaxdrop.drop_block(
        KEY, ones(3, 6, 7, 4), 0.4, block_size=(5, 1), batch_dim=-1, channel_dim=0
    )
    dropped = np.asarray(y) == 0
    assert dropped.any()
    assert set(np.unique(dropped.sum(1))) <= {0, 5, 6}  # along the first spatial axis, of size 6
    means = np.asarray(y).mean((0, 1, 2))
    np.testing.assert_allclose(means, np.ones(4), rtol=1e-6)


def test_drop_block_rates_are_per_example_and_keep_their_own_share():
    rates = np.array([0.0, 0.3, 1.0], np.float32).reshape(3, 1, 1, 1)
    x = ones(3, 8, 8, 2)
    y = np.asarray(jaxdrop.drop_block(KEY, x, rates, block_size=3))
    for i, rate in enumerate([0.0, 0.3, 1.0]):
        alone = np.asarray(jaxdrop.drop_block(KEY, x, rate, block_size=3))
        np.testing.assert_array_equal(y[i], alone[i])


@pytest.mark.parametrize("kind", KINDS)
def test_drop_block_shards_of_the_batch_need_nothing_from_each_other(kind: str):
    mesh = jax.make_mesh((8,), ("a",), axis_types=(KINDS[kind],))
    x = normal(4, 16, 8, 8, 8)
    sharded = jax.device_put(x, NamedSharding(mesh, P("a", None, None, None)))
    operators: list[Callable[[jax.Array], jax.Array]] = [
        lambda x: jaxdrop.drop_path(KEY, x, 0.5),
        lambda x: jaxdrop.drop_path(KEY, x, 0.5, mode="batch", scale=False),
        lambda x: jaxdrop.drop_block(KEY, x, 0.3, block_size=3),
    ]
    for op in operators:
        program = jax.jit(op).lower(sharded).compile()
        np.testing.assert_array_equal(program(sharded), op(x))
        assert not COLLECTIVE.findall(program.as_text() or "")


@pytest.mark.parametrize("spec", [P(None, "a", None, None), P(None, None, None, "a")], ids=str)
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_drop_block_blocks_on_other_shards_are_the_same(kind: AxisType, spec: P):
    mesh = jax.make_mesh((8,), ("a",), axis_types=(kind,))
    x = normal(4, 4, 8, 6, 8)
    op = jax.jit(lambda x: jaxdrop.drop_block(KEY, x, 0.3, block_size=3))
    sharded = op(jax.device_put(x, NamedSharding(mesh, spec)))
    np.testing.assert_array_equal(sharded, op(x))
