"""Eight simulated devices: no collective, no full-size buffer, the mask of one device."""

import functools
import math
import re
from collections.abc import Callable
from functools import partial
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
    "sequence": ((4, 64, 128), P(None, ("a", "b"), None), ()),
    "tensor": ((24, 256), P(None, ("a", "b")), ()),
    "mixed": ((16, 256), P("a", "b"), ()),
    "channels": ((32, 8, 3), P(("a", "b"), None, None), ()),
    "tied-other": ((16, 8, 64), P("a", None, "b"), (1,)),
    "tied-sharded": ((16, 8, 64), P("a", None, "b"), (0,)),
    "tied-last": ((64, 16), P("a", "b"), (-1,)),
}
RAGGED: dict[str, Case] = {
    "shard-1": ((64, 8), P(None, ("a", "b")), ()),
    "shard-3": ((64, 6), P(None, "b"), ()),
    "folded": ((16, 4, 2), P(None, "a", "b"), ()),
    "vector": ((40,), P(("a", "b")), ()),
}


def place(shape: tuple[int, ...], spec: P, kind: str) -> jax.Array:
    """Data on a 4 by 2 mesh."""
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(KINDS[kind],) * 2)
    return jax.device_put(data(shape), NamedSharding(mesh, spec))


def data(shape: tuple[int, ...]) -> Any:
    """Normal data."""
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def both_ways(bits: int, tied: tuple[int, ...]) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Forward and backward through a layer of dropout."""

    def run(key: jax.Array, x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, pull = jax.vjp(lambda x: jaxdrop.dropout(key, x, 0.3, broadcast_dims=tied, bits=bits), x)
        return y, pull(cotangent)[0]

    return run


@functools.cache
def alone(bits: int, shape: tuple[int, ...], tied: tuple[int, ...]) -> jax.Array:
    """Either way on one device."""
    drop = partial(jaxdrop.dropout, broadcast_dims=tied, bits=bits)
    return jax.jit(drop)(KEY, data(shape), 0.3)


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
    x = place(shape, spec, kind)
    compiled = jax.jit(both_ways(bits, tied)).lower(KEY, x, x).compile()
    for sharded in compiled(KEY, x, x):
        np.testing.assert_array_equal(sharded, alone(bits, shape, tied))
    hlo = compiled.as_text() or ""
    return COLLECTIVE.findall(hlo) + larger_than_a_shard(hlo, x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALIGNED)
def test_whole_words_in_every_shard_cost_no_communication(name: str, kind: str):
    assert not faults(kind, 16, ALIGNED[name])


@pytest.mark.parametrize(
    ("name", "bits"), [("mixed", 8), ("tied-sharded", 8), ("tied-sharded", 32)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_other_widths_cost_no_communication_either(name: str, kind: str, bits: int):
    assert not faults(kind, bits, ALIGNED[name])


@pytest.mark.parametrize("name", RAGGED)
def test_ragged_shards_on_an_explicit_mesh_cost_no_communication(name: str):
    assert not faults("explicit", 16, RAGGED[name])


@pytest.mark.parametrize("name", ["shard-3", "folded"])
def test_ragged_shards_on_an_automatic_mesh_give_the_same(name: str):
    faults("automatic", 16, RAGGED[name])


# Units, noise, ranks and the learned rate.

Operator = Callable[..., jax.Array]
SHAPE, SPEC = (16, 8, 64), P("a", None, "b")

LOCAL: dict[str, Operator] = {
    "spatial": jaxdrop.spatial_dropout,
    "alpha": jaxdrop.alpha_dropout,
    "gaussian": jaxdrop.gaussian_dropout,
    "noise": jaxdrop.gaussian_noise,
    "concrete": jaxdrop.concrete_dropout,
    "exact along a whole axis": partial(jaxdrop.exact_dropout, axis=1),
    "targeted along a whole axis": partial(jaxdrop.targeted_dropout, target_share=0.5, axis=1),
}
DIVIDED: dict[str, Operator] = {
    "exact along a divided axis": jaxdrop.exact_dropout,
    "targeted along a divided axis": partial(jaxdrop.targeted_dropout, target_share=0.5),
    "units along a divided axis": partial(
        jaxdrop.targeted_dropout, target_share=0.5, axis=0, broadcast_dims=(1, 2)
    ),
}


def of_operator(op: Operator, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward and backward."""
    y, pull = jax.vjp(lambda x: op(KEY, x, 0.3), x)
    return y, pull(x)[0]


@functools.cache
def alone_of(op: Operator) -> tuple[jax.Array, jax.Array]:
    """The same on one device."""
    return jax.jit(partial(of_operator, op))(data(SHAPE))


def compiled_on(kind: str, op: Operator) -> str:
    """Compares a sharded run with that of one device, and returns the compiled program."""
    x = place(SHAPE, SPEC, kind)
    compiled = jax.jit(partial(of_operator, op)).lower(x).compile()
    for sharded, one in zip(compiled(x), alone_of(op), strict=True):
        np.testing.assert_array_equal(np.asarray(sharded) != 0, np.asarray(one) != 0)
        np.testing.assert_allclose(sharded, one, rtol=1e-5, atol=1e-6)
        assert kind == "automatic" or jax.typeof(sharded).sharding.spec == SPEC
    return compiled.as_text() or ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOCAL)
def test_a_sharded_run_is_that_of_one_device_and_costs_no_communication(name: str, kind: str):
    assert not COLLECTIVE.findall(compiled_on(kind, LOCAL[name]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DIVIDED)
def test_ranks_along_a_divided_axis_are_those_of_one_device(name: str, kind: str):
    collectives = COLLECTIVE.findall(compiled_on(kind, DIVIDED[name]))
    if (name, kind) == ("exact along a divided axis", "explicit"):  # each device ranks all
        assert not collectives


REMOVED = ["whole", "divided tokens", "divided all over", "divided features"]
SPECS = [P("a", None, None), P("a", "b", None), P(None, ("a", "b"), None), P("a", None, "b")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SPECS, ids=REMOVED)
def test_tokens_are_removed_as_on_one_device(spec: P, kind: str):
    x, one = place(SHAPE, spec, kind), remove(data(SHAPE))
    compiled = remove.lower(x).compile()
    y, gradient = jax.block_until_ready(compiled(x))
    np.testing.assert_array_equal(y, one[0])
    np.testing.assert_array_equal(gradient, one[1])
    np.testing.assert_array_equal(remove_tokens(x), one[0])
    if kind == "explicit":
        assert jax.typeof(y).sharding.spec == P(spec[0], None, spec[2])
        assert jax.typeof(gradient).sharding.spec == spec
        collectives = COLLECTIVE.findall(compiled.as_text() or "")
        assert bool(collectives) == bool(spec[1])  # shards of whole sequences need none


def remove_tokens(x: jax.Array) -> Any:
    return jaxdrop.token_dropout(KEY, x, 0.3, keep_first=1, mode="remove")


@jax.jit
def remove(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward and backward of what is shorter than its data."""
    y, pull = jax.vjp(remove_tokens, x)
    return y, pull(y)[0]


@pytest.mark.parametrize("op", [jaxdrop.dropout, jaxdrop.gaussian_noise, jaxdrop.exact_dropout])
def test_operators_take_other_generators_on_an_explicit_mesh(op: Operator):
    key, x = jax.random.key(0, impl="rbg"), place((16, 64), P("a", "b"), "explicit")
    y = jax.jit(lambda x: op(key, x, 0.5))(x)
    assert jax.typeof(y).sharding.spec == P("a", "b")


@pytest.mark.parametrize("kind", KINDS)
def test_array_rates_on_sharded_axes(kind: str):
    (y, *others), (one, *alike) = at_rates(place(SHAPE, SPEC, kind)), at_rates(data(SHAPE))
    np.testing.assert_array_equal(y, one)
    for sharded, one in zip(others, alike, strict=True):
        np.testing.assert_allclose(sharded, one, rtol=1e-5, atol=1e-6)


@jax.jit  # one program
def at_rates(x: jax.Array) -> list[jax.Array]:
    rates = np.linspace(0, 1, 64, dtype=np.float32)
    others = jaxdrop.spatial_dropout, jaxdrop.gaussian_dropout, jaxdrop.alpha_dropout
    return [jaxdrop.dropout(KEY, x, rates), *(op(KEY, x, 0.9 * rates) for op in others)]


def test_the_checks_can_fail():
    """A program that gathers, and one that keeps a whole mask, are caught."""
    x = place((64, 256), P("a", None), "automatic")
    assert COLLECTIVE.findall(hlo_of(lambda x: x - x.sum(0, keepdims=True), x))
    assert larger_than_a_shard(hlo_of(lambda x: jnp.cumsum(x > 0, 0), data((64, 256))), x)
