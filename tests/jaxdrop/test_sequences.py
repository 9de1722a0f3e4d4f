"""Locked dropout and zoneout: what only they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxdrop
from tests.jaxdrop.arrays import normal, ones
from tests.jaxdrop.loops import HASH, loop_bodies

KEY = jax.random.key(8)
PREVIOUS, NEW = np.asarray(normal(8, 2, 8, 40))


def recurrent(xs: jax.Array, *, locked: bool) -> jax.Array:
    """A network of dropped inputs and states: masks drawn before the scan, or in it."""
    rate, start = 0.3, jnp.zeros(xs.shape[1:])
    mask = jaxdrop.keep_mask(KEY, rate, start.shape)
    xs = jaxdrop.locked_dropout(KEY, xs, rate, time_dim=0)

    def step(state: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        x, key = at
        if locked:
            state = jaxdrop.apply_mask(mask, state, rate)
        else:
            state = jaxdrop.dropout(key, state, rate)
        return jnp.tanh(state + x), None

    return jax.lax.scan(step, start, (xs, jax.random.split(KEY, len(xs))))[0].sum()


def loops_of(*, locked: bool) -> str:
    gradient = jax.jit(jax.grad(lambda xs: recurrent(xs, locked=locked)))
    compiled = gradient.lower(jax.ShapeDtypeStruct((6, 3, 40), jnp.float32)).compile()
    return loop_bodies(compiled.as_text() or "")


def test_no_random_number_is_drawn_inside_the_scan():
    locked = loops_of(locked=True)
    assert "tanh" in locked or "multiply" in locked
    assert not HASH.findall(locked)


def test_that_check_can_fail():
    assert HASH.findall(loops_of(locked=False))


@pytest.mark.parametrize("time_dim", [0, 1, -2])
def test_locked_dropout_the_mask_is_one_for_all_times(time_dim: int):
    y = jaxdrop.locked_dropout(KEY, ones(5, 6, 7), 0.5, time_dim=time_dim)
    y = np.moveaxis(np.asarray(y), time_dim, 0)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:1], y.shape))
    assert (y[0, 0] != y[0, 1]).any()


def test_zoneout_what_is_zoned_out_keeps_its_previous_state():
    mask = np.asarray(jaxdrop.keep_mask(KEY, 0.3, (8, 40)))
    for rate, expected in ((0.3, np.where(mask, NEW, PREVIOUS)), (0, NEW), (1, PREVIOUS)):
        np.testing.assert_array_equal(jaxdrop.zoneout(KEY, PREVIOUS, NEW, rate), expected)


def test_zoneout_passes_gradients_to_the_state_that_it_takes():
    mask = np.asarray(jaxdrop.keep_mask(KEY, 0.3, (8, 40)))
    gradient = jax.grad(lambda a, b: jaxdrop.zoneout(KEY, a, b, 0.3).sum(), argnums=(0, 1))
    to_previous, to_new = jax.jit(gradient)(PREVIOUS, NEW)
    np.testing.assert_array_equal(to_new, mask)
    np.testing.assert_array_equal(to_previous, ~mask)


def test_zoneout_a_state_that_is_not_taken_does_no_harm():
    mixed = jaxdrop.zoneout(KEY, np.full_like(NEW, np.nan), NEW, 0.5)
    mask = np.asarray(jaxdrop.keep_mask(KEY, 0.5, (8, 40)))
    np.testing.assert_array_equal(np.isnan(mixed), ~mask)


SAMPLE = jax.jit(jax.vmap(jaxdrop.zoneout, (0, None, None, None)))


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9, 1.0])
def test_zoneout_inference_is_the_expectation(rate: float):
    """At z = 5 over 40 comparisons a correct implementation fails with probability 2.3e-5."""
    previous, new = PREVIOUS[0, :10], NEW[0, :10]
    states = np.asarray(SAMPLE(jax.random.split(KEY, 4096), previous, new, rate), np.float64)
    expected = np.asarray(jaxdrop.zoneout_inference(previous, new, rate))
    assert (np.abs(states.mean(0) - expected) <= 5 * states.std(0) / 64 + 1e-6).all()


def test_zoneout_inference_is_exact_at_0_and_1_and_keeps_the_dtype():
    previous, new = jnp.full(3, jnp.inf, jnp.bfloat16), jnp.ones(3, jnp.bfloat16)
    for rate, state in ((0, new), (1.0, previous)):
        mixed = jaxdrop.zoneout_inference(previous, new, rate)
        assert mixed.dtype == jnp.bfloat16
        np.testing.assert_array_equal(mixed, state)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_sharded_sequences(kind: AxisType):
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(kind,) * 2)
    x = normal(8, 8, 4, 32)
    sharded = jax.device_put(x, NamedSharding(mesh, P("a", None, "b")))
    ops = (
        lambda x: jaxdrop.locked_dropout(KEY, x, 0.5, time_dim=0),
        lambda x: jaxdrop.zoneout(KEY, x, x + 1, 0.5),
        lambda x: jaxdrop.token_dropout(KEY, x, 0.5, keep_first=1),
        lambda x: jaxdrop.token_dropout(KEY, x, 0.5, keep_first=1, mode="remove"),
    )
    together = jax.jit(lambda x: [op(x) for op in ops])(sharded)  # one program
    for op, found in zip(ops, together, strict=True):
        np.testing.assert_array_equal(found, op(x))


def test_inference_mixes_the_parts_of_complex_states():
    previous, new = jnp.array([1 + 2j, 4j, 1]), jnp.array([3 + 6j, jnp.inf, complex(0, jnp.inf)])
    mixed = jaxdrop.zoneout_inference(previous, new, 0.5)
    np.testing.assert_array_equal(mixed.real, [2, jnp.inf, 0.5])
    np.testing.assert_array_equal(mixed.imag, [4, 2, jnp.inf])
