"""Eight simulated devices: no collective, no full-size buffer, the mask of one device."""

import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxdrop

KEY = jax.random.key(5)
COLLECTIVE = re.compile(r"all-(?:gather|reduce|to-all)|collective-|reduce-scatter")
KINDS = {"automatic": AxisType.Auto, "explicit": AxisType.Explicit}
Case = tuple[tuple[int, ...], P, tuple[int, ...]]

ALIGNED: dict[str, Case] = {
    "data": ((64, 256), P(("a", "b"), None), ()),
    "data-3d": ((16, 24, 64), P("a", None, None), ()),
    "sequence": ((4, 64, 128), P(None, ("a", "b"), None), ()),
    "tensor": ((24, 256), P(None, ("a", "b")), ()),
    "mixed": ((16, 256), P("a", "b"), ()),
    "mixed-3d": ((8, 6, 128), P("a", None, "b"), ()),
    "channels": ((32, 8, 3), P(("a", "b"), None, None), ()),
    "tied-other": ((16, 8, 64), P("a", None, "b"), (1,)),
    "tied-sharded": ((16, 8, 64), P("a", None, "b"), (0,)),
    "tied-last": ((64, 16), P("a", "b"), (-1,)),
}
RAGGED: dict[str, Case] = {
    "shard-1": ((64, 8), P(None, ("a", "b")), ()),
    "shard-3": ((64, 6), P(None, "b"), ()),
    "shard-125": ((64, 250), P(None, "b"), ()),
    "folded": ((16, 4, 2), P(None, "a", "b"), ()),
    "vector": ((40,), P(("a", "b")), ()),
}


def place(shape: tuple[int, ...], spec: P, kind: str) -> jax.Array:
    """Data on a 4 by 2 mesh."""
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(KINDS[kind],) * 2)
    return jax.device_put(data(shape), NamedSharding(mesh, spec))


def data(shape: tuple[int, ...]) -> jax.Array:
    """Normal data."""
    return jax.random.normal(jax.random.key(1), shape)


def both_ways(bits: int, tied: tuple[int, ...]) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Forward and backward through a layer of dropout."""

    def run(key: jax.Array, x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, pull = jax.vjp(lambda x: jaxdrop.dropout(key, x, 0.3, broadcast_dims=tied, bits=bits), x)
        return y, pull(cotangent)[0]

    return run


def larger_than_a_shard(hlo: str, x: jax.Array) -> list[str]:
    """Integer and bool buffers in the compiled program with more elements than a shard of `x`."""
    shard = x.addressable_shards[0].data.size
    shapes = re.findall(r"\b((?:pred|[us]\d+)\[([\d,]+)\])", hlo)
    return [name for name, dims in shapes if math.prod(map(int, dims.split(","))) > shard]


def hlo_of(function: Callable[..., Any], *args: jax.Array) -> str:
    """The compiled program."""
    return jax.jit(function).lower(*args).compile().as_text() or ""


def faults(kind: str, bits: int, case: Case) -> list[str]:
    """Collectives and large buffers of a sharded run, whose result must be that of one device."""
    shape, spec, tied = case
    x, run = place(shape, spec, kind), jax.jit(both_ways(bits, tied))
    for sharded, alone in zip(run(KEY, x, x), run(KEY, *[data(shape)] * 2), strict=True):
        np.testing.assert_array_equal(sharded, alone)
    hlo = hlo_of(run, KEY, x, x)
    return COLLECTIVE.findall(hlo) + larger_than_a_shard(hlo, x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALIGNED)
def test_whole_words_in_every_shard_cost_no_communication(name: str, kind: str):
    assert not faults(kind, 16, ALIGNED[name])


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mixed", "tied-sharded"])
def test_the_other_widths_cost_no_communication_either(name: str, kind: str, bits: int):
    assert not faults(kind, bits, ALIGNED[name])


@pytest.mark.parametrize("name", RAGGED)
def test_ragged_shards_on_an_explicit_mesh_cost_no_communication(name: str):
    assert not faults("explicit", 16, RAGGED[name])


@pytest.mark.parametrize("name", ["shard-3", "folded"])
def test_ragged_shards_on_an_automatic_mesh_give_the_same(name: str):
    faults("automatic", 16, RAGGED[name])


@pytest.mark.parametrize("kind", KINDS)
def test_array_rates_on_sharded_axes(kind: str):
    rates = jnp.linspace(0, 1, 256)
    x = place((16, 256), P("a", "b"), kind)
    sharded = jax.jit(jaxdrop.dropout)(KEY, x, rates)
    np.testing.assert_array_equal(sharded, jaxdrop.dropout(KEY, data((16, 256)), rates))


def test_other_generators_on_an_explicit_mesh():
    key = jax.random.key(0, impl="rbg")
    x = place((16, 256), P("a", "b"), "explicit")
    sharded = jax.jit(lambda x: jaxdrop.dropout(key, x, 0.5))(x)
    assert jax.typeof(sharded).sharding.spec == P("a", "b")


def test_the_checks_can_fail():
    """A program that gathers, and one that keeps a whole mask, are caught."""
    x = place((64, 256), P("a", None), "automatic")
    assert COLLECTIVE.findall(hlo_of(lambda x: x - x.sum(0, keepdims=True), x))
    assert larger_than_a_shard(hlo_of(lambda x: jnp.cumsum(x > 0, 0), data((64, 256))), x)
