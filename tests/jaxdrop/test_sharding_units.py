"""Units, noise, ranks and the learned rate on eight simulated devices."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxdrop
from tests.jaxdrop.test_sharding import COLLECTIVE, KEY, KINDS, data, place

Operator = Callable[..., jax.Array]
SHAPE, SPEC = (16, 8, 64), P("a", None, "b")

LOCAL: dict[str, Operator] = {
    "spatial": jaxdrop.spatial_dropout,
    "alpha": jaxdrop.alpha_dropout,
    "gaussian": jaxdrop.gaussian_dropout,
    "noise": jaxdrop.gaussian_noise,
    "concrete": jaxdrop.concrete_dropout,
    "classical": partial(jaxdrop.dropout, scale=False),
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


def both_ways(op: Operator, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward and backward."""
    y, pull = jax.vjp(lambda x: op(KEY, x, 0.3), x)
    return y, pull(x)[0]


def compiled_on(kind: str, op: Operator) -> str:
    """Compares a sharded run with that of one device, and returns the compiled program."""
    x, run = place(SHAPE, SPEC, kind), jax.jit(partial(both_ways, op))
    compiled = run.lower(x).compile()
    for sharded, alone in zip(compiled(x), run(data(SHAPE)), strict=True):
        np.testing.assert_array_equal(sharded != 0, alone != 0)
        np.testing.assert_allclose(sharded, alone, rtol=1e-5, atol=1e-6)
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
    drop = partial(jaxdrop.token_dropout, keep_first=1, mode="remove")
    x, run = place(SHAPE, spec, kind), jax.jit(partial(removed_both_ways, drop))
    for sharded, alone in zip(run(x), run(data(SHAPE)), strict=True):
        np.testing.assert_array_equal(sharded, alone)
    np.testing.assert_array_equal(drop(KEY, x, 0.3), drop(KEY, data(SHAPE), 0.3))
    if kind == "explicit":
        y, gradient = run(x)
        assert jax.typeof(y).sharding.spec == P(spec[0], None, spec[2])
        assert jax.typeof(gradient).sharding.spec == spec
        collectives = COLLECTIVE.findall(run.lower(x).compile().as_text() or "")
        assert bool(collectives) == bool(spec[1])  # shards of whole sequences need none


def removed_both_ways(op: Operator, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward and backward of what is shorter than its data."""
    y, pull = jax.vjp(lambda x: op(KEY, x, 0.3), x)
    return y, pull(y)[0]


@pytest.mark.parametrize("op", [jaxdrop.gaussian_noise, jaxdrop.exact_dropout])
def test_other_generators_on_an_explicit_mesh(op: Operator):
    key, x = jax.random.key(0, impl="rbg"), place((16, 64), P("a", "b"), "explicit")
    y = jax.jit(lambda x: op(key, x, 0.5))(x)
    assert jax.typeof(y).sharding.spec == P("a", "b")


def test_array_rates_on_sharded_axes():
    rates = jnp.linspace(0, 0.9, 64)
    for op in (jaxdrop.spatial_dropout, jaxdrop.gaussian_dropout, jaxdrop.alpha_dropout):
        sharded = jax.jit(op)(KEY, place(SHAPE, SPEC, "explicit"), rates)
        np.testing.assert_allclose(sharded, op(KEY, data(SHAPE), rates), rtol=1e-5, atol=1e-6)
