"""Rates over depth and steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdrop
from jaxdrop import rates
from tests.jaxdrop.arrays import ones

KEY = jax.random.key(12)


def test_stochastic_depth_keeps_as_many_blocks_as_the_paper_says():
    assert float((1 - rates.linear_depth(54, 0.5)).sum()) == pytest.approx(40.25, rel=1e-6)


@pytest.mark.parametrize("depth", [1, 3, 49])
def test_linear_depth_ends_at_the_maximum_and_never_above_1(depth: int):
    linear = rates.linear_depth(depth, 1.0)
    np.testing.assert_allclose(linear, np.arange(1, depth + 1) / depth, rtol=1e-7)
    assert float(linear.max()) == float(linear[-1]) == 1.0


def test_stepwise_depth():
    np.testing.assert_allclose(
        rates.stepwise_depth(5, 0.1, 0.05, 0.22), [0.1, 0.15, 0.2, 0.22, 0.22], rtol=1e-6
    )


def test_a_stage_has_one_rate():
    np.testing.assert_allclose(
        rates.by_stage((3, 1, 2), (0.0, 0.1, 0.3)), [0, 0, 0, 0.1, 0.3, 0.3], rtol=1e-7
    )
    np.testing.assert_array_equal(
        rates.by_stage((1, 2), jnp.array([0.5, 1.0])), jnp.array([0.5, 1.0, 1.0])
    )


@pytest.mark.parametrize(
    ("run", "argument"),
    [
        (lambda r: rates.linear_depth(4, r), 0.4),
        (lambda r: rates.stepwise_depth(4, 0.1, 0.1, r), 0.4),
        (lambda r: rates.by_stage((1, 2), (r, 0.2)), 0.4),
        (lambda r: rates.early(r, 10)(3), 0.4),
        (lambda r: rates.late(r, 10)(30), 0.4),
        (lambda t: rates.early(0.4, t)(3), 10),
        (lambda t: rates.late(0.4, t)(30), 10),
    ],
)
def test_arguments_may_be_traced(run: Callable[..., jax.Array], argument: float):
    traced = jax.jit(run)(argument)
    assert traced.dtype == jnp.float32
    np.testing.assert_allclose(traced, run(argument), rtol=1e-6)


def test_early_falls_linearly_or_at_once():
    linear, constant = rates.early(0.4, 50), rates.early(0.4, 50, decay="constant")
    np.testing.assert_allclose([linear(t) for t in (0, 25, 50, 300)], [0.4, 0.2, 0, 0], rtol=1e-6)
    np.testing.assert_allclose([constant(t) for t in (0, 49, 50)], [0.4, 0.4, 0], rtol=1e-6)


def test_late_begins_at_its_start():
    np.testing.assert_allclose([rates.late(0.4, 50)(t) for t in (0, 49, 50)], [0, 0, 0.4])


TURNS = [1, 5, 2**24 + 1, 2**25 + 3, 2**31 - 1]


@pytest.mark.parametrize("kind", [int, float, np.int64, np.uint32, jnp.int32, jnp.uint32])
def test_a_schedule_turns_at_its_step_and_not_before(kind: Callable[[int], Any]):
    def rates_at(steps: list[Any]) -> list[list[jax.Array]]:
        late = [rates.late(0.5, turn) for turn in TURNS]
        last = [rates.early(0.5, turn, decay="constant") for turn in TURNS]
        linear = [rates.early(0.5, turn) for turn in TURNS]
        return [[f(t) for f, t in zip(fs, steps, strict=True)] for fs in (late, last, linear)]

    runs = [rates_at] if kind is float else [rates_at, jax.jit(rates_at)]
    for run in runs:  # a traced float has float32's digits
        late, last, linear = run([kind(turn - 1) for turn in TURNS])
        assert (late, last) == ([0] * 5, [0.5] * 5)
        np.testing.assert_allclose(linear, 0.5 / np.array(TURNS), rtol=1e-6)
        assert run([kind(turn) for turn in TURNS]) == [[0.5] * 5, [0] * 5, [0] * 5]


@pytest.mark.parametrize("turn", [2**31, 2**31 + 1, 2**32 - 1, 2**32, 2**41, 2**53 + 1, 2**62])
def test_schedules_turn_beyond_32_bits_whatever_width_jax_has(turn: int):
    late, linear = rates.late(0.5, turn), rates.early(0.5, turn)
    for wide in (False, True):
        with jax.enable_x64(wide):
            assert [late(step) for step in (0, turn - 1, turn, turn + 1)] == [0, 0, 0.5, 0.5]
            assert (linear(turn - 1) > 0, linear(turn), linear(0)) == (True, 0, 0.5)
            assert linear(turn // 2) == pytest.approx(0.25, rel=1e-6)
            assert late(jnp.int32(2**31 - 1)) == 0


def test_steps_of_64_bits_may_be_traced():
    with jax.enable_x64(True):
        late = jax.jit(lambda step, start: rates.late(0.5, start)(step))
        for turn in (2**24 + 1, 2**32, 2**53 + 1):
            steps = [jnp.int64(step) for step in (turn - 1, turn)]
            assert [late(step, jnp.int64(turn)) for step in steps] == [0, 0.5]
            assert late(steps[1], turn + 1) == 0


def test_unsigned_steps_meet_signed_starts():
    late = jax.jit(lambda step, start: rates.late(0.5, start)(step))
    assert late(jnp.uint32(2**31 + 5), jnp.int32(7)) == 0.5
    assert late(jnp.int32(6), jnp.uint32(2**31 + 5)) == 0
    assert late(jnp.int32(-1), jnp.int32(1)) == 0


def test_fractions_of_steps_are_steps_too():
    late, linear = rates.late(0.5, 2.5), rates.early(0.5, 2.5)
    assert [late(step) for step in (2, 2.25, 2.5, 3)] == [0, 0, 0.5, 0.5]
    np.testing.assert_allclose([linear(step) for step in (0, 1.25, 2.5)], [0.5, 0.25, 0], rtol=1e-6)
    np.testing.assert_allclose(jax.jit(linear)(jnp.int32(1)), 0.3, rtol=1e-6)
    assert jax.jit(late)(jnp.float32(2.5)) == 0.5


def test_many_steps_at_once():
    steps = np.arange(2**24, 2**24 + 4)
    for given in (steps, jnp.asarray(steps, jnp.int32), jnp.asarray(steps, jnp.uint32)):
        np.testing.assert_array_equal(rates.late(0.5, 2**24 + 1)(given), [0, 0.5, 0.5, 0.5])


SCHEDULES = {
    "early": rates.early(0.5, 3),
    "late": rates.late(0.5, 2),
    "linear": optax.linear_schedule(0.0, 0.5, 4),
    "cosine": optax.cosine_decay_schedule(0.5, 4),
    "constant": optax.constant_schedule(0.25),
    "warm-up": optax.warmup_cosine_decay_schedule(0.0, 0.5, 2, 5),
    "joined": optax.join_schedules([optax.constant_schedule(1.0), rates.late(0.5, 1)], [2]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_training_traces_once_whatever_its_schedule(name: str):
    x, traces = ones(64), []

    def schedule(step: jax.Array) -> jax.Array:
        with jax.numpy_dtype_promotion("standard"):  # Optax asks for it
            return jnp.asarray(SCHEDULES[name](step))

    @jax.jit
    def train(step: jax.Array) -> tuple[jax.Array, jax.Array]:
        traces.append(1)
        key = jaxdrop.derive(KEY, step=step)
        rate = schedule(step)
        return rate, jaxdrop.dropout(key, x, rate)

    for step in range(5):
        rate, y = train(jnp.int32(step))
        alone = jaxdrop.dropout(jaxdrop.derive(KEY, step=step), x, rate)
        np.testing.assert_allclose(y, alone, rtol=3e-7)
    assert len(traces) == 1


def test_layers_of_a_scan_take_their_rates_from_depth():
    depths = rates.linear_depth(3, 1.0)

    def block(x: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        layer, rate = at
        key = jaxdrop.derive(KEY, step=0, layer=layer)
        return x, jaxdrop.drop_path(key, x, rate)

    _, branches = jax.lax.scan(block, ones(40, 2), (jax.device_put(np.arange(3)), depths))
    branches, depths = np.asarray(branches), np.asarray(depths)
    assert (branches[2] == 0).all()
    for layer in range(3):
        key = jaxdrop.derive(KEY, step=0, layer=layer)
        alone = jaxdrop.drop_path(key, ones(40, 2), depths[layer])
        np.testing.assert_allclose(branches[layer], alone, rtol=3e-7)
