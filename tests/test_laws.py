"""The laws of DESIGN: each is written once and holds for every row of the table.

Statistical laws use fixed keys, and z = 5 in each of fewer than 1,000 comparisons: over the whole
module a correct implementation under fresh keys would fail with a probability below 6e-4.
"""

import functools
import inspect
import itertools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.ad_checkpoint import print_saved_residuals
from jax.typing import ArrayLike

from tests.laws import TABLE, Row

SHAPES = [(), (7,), (3, 0, 2), (2, 1, 2, 1, 3)]  # and SHAPE
RATES = [0.05, 0.5, 0.9]
KEY = jax.random.key(2026)
SHAPE = (5, 24)  # of most data, so that a row's laws share what was compiled for it
ONES = np.ones(SHAPE, np.float32)


def rows(law: str) -> pytest.MarkDecorator:
    """Runs a law over the rows that are not exempt from it; a variant of an operator is slow."""
    bound = {name: row for name, row in TABLE.items() if law not in row.exempt}
    marks = {name: [pytest.mark.slow] * row.variant for name, row in bound.items()}
    cases = [pytest.param(row, id=name, marks=marks[name]) for name, row in bound.items()]
    return pytest.mark.parametrize("row", cases)


def data(shape: tuple[int, ...] = SHAPE, dtype: str = "float32") -> jax.Array:
    """Normal data, none of it 0."""
    return jnp.asarray(np.random.default_rng(1).normal(3, size=shape), dtype)


def highest(row: Row) -> float:
    """The highest rate that the row's laws know."""
    return 0.95 if "rate 1" in row.exempt else 1.0


def assert_same(row: Row, actual: ArrayLike, expected: ArrayLike, rtol: float = 0) -> None:
    """Equal to the bit, but for what the row says that XLA may round otherwise."""
    np.testing.assert_allclose(actual, expected, rtol=max(rtol, row.slack), atol=row.slack)


@rows("signature")
def test_arguments_come_in_the_order_key_x_rate(row: Row):
    names = list(inspect.signature(row.op).parameters)
    assert names[:3] == ["key", "x", "rate"]


@rows("shape")
def test_shape_and_dtype_stay(row: Row):
    dtypes = itertools.cycle(("float32", "float16", "bfloat16"))
    for shape, dtype in zip(SHAPES, dtypes, strict=False):
        x = jax.ShapeDtypeStruct(shape, dtype)
        y = jax.eval_shape(lambda x: row.op(KEY, x, 0.3), x)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)


SPECIAL = np.array([1e-40, -1e-40, -0.0, np.inf, -np.inf, np.nan, 1.5, 3e38], np.float32)


def special(dtype: str = "float32") -> jax.Array:
    """Data that a product or a sum would spoil."""
    return jnp.asarray(np.resize(SPECIAL, SHAPE), dtype)


@rows("rate 0")
def test_rate_0_is_the_identity_to_the_bit(row: Row):
    op = jax.jit(row.op)
    for x in (special("float32"), special("bfloat16")):
        for y in (row.op(KEY, x, 0), row.op(KEY, x, 0.0), op(KEY, x, np.float32(0))):
            assert np.asarray(y).tobytes() == np.asarray(x).tobytes()


@rows("rate 1")
def test_rate_1_gives_zeros_and_a_zero_gradient(row: Row):
    x, rate = special(), rates_of(row, 1)
    zeros = [row.op(KEY, x, each) for each in (1, 1.0, np.float32(1), rate)]
    zeros += [jax.jit(row.op)(KEY, x, np.float32(1)), *both_ways(row)(KEY, x, rate, ONES)[:2]]
    zeros += [jax.grad(lambda x: row.op(KEY, x, 1).sum())(x)]
    for each in zeros:
        np.testing.assert_array_equal(each, np.zeros(SHAPE))


def rates_of(row: Row, rate: float) -> ArrayLike:
    """The rate as a number, or as an array where the row may have one."""
    return np.float32(rate) if "array rate" in row.exempt else np.full(SHAPE[-1], rate, np.float32)


@functools.cache
def both_ways(row: Row) -> Callable[..., list[jax.Array]]:
    """The compiled operator, and its gradients with respect to the data and to the rate."""

    def run(key: jax.Array, x: jax.Array, rate: jax.Array, cotangent: jax.Array) -> list[jax.Array]:
        y, pull = jax.vjp(functools.partial(row.op, key), x, rate)
        return [y, *pull(cotangent)]

    return jax.jit(run)


@rows("out of range")
def test_a_concrete_rate_out_of_range_is_refused_by_value(row: Row):
    arrays = [] if "array rate" in row.exempt else [lambda r: jnp.full((7,), r)]
    kinds, x = (float, np.float32, np.float64, jnp.float32, *arrays), data((7,))
    for rate, kind in itertools.product((-0.5, 1.5, np.nan, np.inf, -1, 2), kinds):
        with pytest.raises(ValueError, match=rf"Expected a rate in \[0, 1\]; got {float(rate)}"):
            row.op(KEY, x, kind(rate))


@rows("clipped")
def test_a_traced_rate_out_of_range_is_clipped_and_nan_drops_all(row: Row):
    x, op = data(), jax.jit(row.op)
    np.testing.assert_array_equal(op(KEY, x, np.float32(-0.5)), x)
    for rate in (1.5, np.nan):
        np.testing.assert_array_equal(op(KEY, x, np.float32(rate)), np.zeros(SHAPE))


@rows("almost 1")
def test_below_rate_1_something_can_be_kept(row: Row):
    if row.bits == 32:
        pytest.skip("one in 2^23 is kept: 2^24 draws would be needed to see it")
    x = jnp.ones((2, 2 ** (row.bits + 2)))
    for rate in (0.999999, 1 - 2**-24):
        assert row.op(KEY, x, rate).any()
        assert jax.jit(row.op)(KEY, x, np.float32(rate)).any()


@rows("jit")
def test_jit_changes_nothing(row: Row):
    xs, legacy = [data(()), data()], jax.random.PRNGKey(2026)
    compiled = jax.jit(lambda key, xs: [row.op(key, x, 0.3) for x in xs])
    for x, y in zip(xs, compiled(legacy, xs), strict=True):  # nor does a legacy key
        # XLA divides a scalar by a constant as a product, in Flax's layer as in ours.
        rtol = 2e-7 if row.bits == 32 and x.shape == () else 0
        assert_same(row, row.op(KEY, x, 0.3), y, rtol)


@rows("traced rate")
def test_one_compilation_serves_all_rates(row: Row):
    x, op, found = data(), jax.jit(row.op), []
    op(KEY, x, np.float32(0.3))
    for rate in [0.0, *RATES, highest(row)]:
        assert traces(lambda rate=rate: found.append(op(KEY, x, np.float32(rate)))) == 0
        expected = row.op(KEY, x, rate)
        np.testing.assert_array_equal(found[-1] == 0, expected == 0)
        assert_same(row, found[-1], expected, rtol=3e-7)


@rows("vmap")
def test_vmap_over_keys_rates_and_data_is_a_loop(row: Row):
    x, rates, op = data((4, *SHAPE)), np.array([0.0, 0.3, 0.7, 1.0], np.float32), jax.jit(row.op)
    keys = jax.random.split(KEY, 4096)
    by_data = jax.jit(jax.vmap(row.op, (None, 0, 0)))(KEY, x, rates)
    by_key = sampled(row)(keys, data(), rates[1])
    for i in range(4):
        assert_same(row, by_data[i], op(KEY, x[i], rates[i]))
        assert_same(row, by_key[i], op(keys[i], data(), rates[1]))


@functools.cache
def sampled(row: Row) -> Callable[..., jax.Array]:
    """The compiled operator under many keys."""
    return jax.jit(jax.vmap(row.op, (0, None, None)))


@rows("array rate")
def test_an_array_rate_drops_each_entry_as_its_own_rate_would(row: Row):
    x, rates = data(), np.array([0.0, 0.2, 0.8, highest(row)], np.float32)
    y = np.asarray(row.op(KEY, x, np.resize(rates, SHAPE[-1])))
    for place, rate in enumerate(rates):
        alone = np.asarray(row.op(KEY, x, rate))
        assert_same(row, y[:, place :: len(rates)], alone[:, place :: len(rates)])


@rows("array rate")
def test_an_array_rate_that_does_not_broadcast_is_refused(row: Row):
    for shape, op in itertools.product([(5,), (3, 1, 4), (2, 4), (0,)], (row.op, jax.jit(row.op))):
        with pytest.raises(ValueError, match=r"Expected a \w+ that broadcasts"):
            op(KEY, data((3, 4)), jnp.full(shape, 0.5))


@rows("keys")
def test_the_key_alone_decides(row: Row):
    x, other = data(), jax.random.key(7)
    np.testing.assert_array_equal(row.op(KEY, x, 0.5), row.op(KEY, x, 0.5))
    assert (row.op(KEY, x, 0.5) != row.op(other, x, 0.5)).any()


@rows("keys")
def test_typed_and_legacy_keys_agree(row: Row):
    x, legacy = data(), jax.random.PRNGKey(2026)
    np.testing.assert_array_equal(row.op(KEY, x, 0.5), row.op(legacy, x, 0.5))


@rows("generators")
def test_other_generators_work(row: Row):
    effective, key = 64 if row.tied else 64 * 64, jax.random.key(0, impl="unsafe_rbg")
    kept = np.asarray(jax.jit(row.op)(key, data((64, 64)), np.float32(0.25))) != 0
    assert abs(kept.mean() - 0.75) < 5 * np.sqrt(0.25 * 0.75 / effective)


@rows("mean")
def test_the_mean_over_keys_is_x(row: Row):
    keys, some = jax.random.split(KEY, 4096), np.s_[..., :2, :9]  # fewer than 1,000 comparisons
    for rate in RATES:
        samples = np.asarray(sampled(row)(keys, data(), np.float32(rate)))[some].astype(float)
        error = np.abs(samples.mean(0) - np.asarray(data())[some])
        assert (error < 5 * samples.std(0) / 64 + 1e-5).all()  # an exact count may drop none


@rows("selection")
def test_a_dropped_inf_or_nan_is_0(row: Row):
    x = np.full(SHAPE, np.inf, np.float32)
    x[2:] = np.nan
    kept = np.asarray(row.op(KEY, np.ones_like(x), 0.5)) != 0
    assert kept[:2].any()
    assert not kept.all()
    np.testing.assert_array_equal(np.asarray(row.op(KEY, x, 0.5)) == 0, ~kept)


@rows("nesting")
def test_masks_nest_in_the_rate(row: Row):
    x, op = data(), jax.jit(row.op)
    for key in jax.random.split(KEY, 24):
        kept = [np.asarray(op(key, x, rate)) != 0 for rate in np.linspace(0, 1, 23, dtype="f4")]
        for low, high in itertools.pairwise(kept):
            assert not (high & ~low).any()


@rows("dtype")
def test_the_mask_does_not_depend_on_the_dtype(row: Row):
    op, rate = jax.jit(row.op), np.float32(0.3)
    wide, *narrow = (op(KEY, data(dtype=d), rate) for d in ("float32", "float16", "bfloat16"))
    for y in narrow:
        np.testing.assert_array_equal(np.asarray(y) != 0, np.asarray(wide) != 0)


@rows("precision")
def test_low_precision_is_computed_in_float32_and_rounded_once(row: Row):
    op, rate = jax.jit(row.op), np.float32(0.3)
    for dtype in ("float16", "bfloat16"):
        x = np.asarray(data(dtype=dtype))
        once = np.asarray(op(KEY, x.astype("f4"), rate)).astype(dtype)
        rtol = bool(row.slack) * float(jnp.finfo(dtype).eps)  # what lies half-way may tip over
        assert_same(row, np.asarray(op(KEY, x, rate)).astype("f4"), once.astype("f4"), rtol)


@rows("linear")
def test_the_gradient_is_the_mask_times_the_scale(row: Row):
    x, rate = data(), rates_of(row, 0.3)
    eager = jax.grad(lambda x: row.op(KEY, x, 0.3).sum())(x)
    assert_same(row, eager, row.op(KEY, ONES, 0.3))
    of_ones = both_ways(row)(KEY, ONES, rate, ONES)[0]
    assert_same(row, both_ways(row)(KEY, x, rate, ONES)[1], of_ones)


@rows("gradient")
def test_forward_reverse_and_second_derivatives_agree(row: Row):
    x, tangent = data(), np.asarray(data()) - 2

    def loss(x: jax.Array) -> jax.Array:
        return jnp.sin(row.op(KEY, x, 0.3)).sum()

    @jax.jit  # one program
    def derivatives(x: jax.Array) -> tuple[Any, ...]:
        along = jax.value_and_grad(lambda x: jax.jvp(loss, (x,), (tangent,))[1])(x)
        return *along, *jax.jacfwd(lambda x: (jax.grad(loss)(x),) * 2, has_aux=True)(x)

    slope, bend, hessian, gradient = map(np.asarray, derivatives(x))
    np.testing.assert_allclose(slope, (gradient * tangent).sum(), rtol=1e-5)
    along = hessian.reshape(120, 120) @ tangent.ravel()
    np.testing.assert_allclose(along, bend.ravel(), rtol=1e-5)


@rows("export")
def test_a_program_exported_for_any_batch_draws_what_each_batch_would(row: Row):
    op, rate = jax.jit(row.op), np.float32(0.3)
    batch = jax.ShapeDtypeStruct(export.symbolic_shape("b, 24"), jnp.float32)
    program = export.export(op)(KEY, batch, rate)
    # test_export.py has every case of the rule.
    assert_same(row, program.call(KEY, data(), rate), op(KEY, data(), rate), rtol=1e-6)


@rows("rate gradient")
def test_no_gradient_flows_to_the_rate(row: Row):
    assert not np.any(both_ways(row)(KEY, data(), rates_of(row, 0.3), ONES)[2])


@rows("gradient")
def test_scan_and_remat_give_the_gradient_of_a_loop(row: Row):
    keys, x = jax.random.split(KEY, 2), data()

    def loop(x: jax.Array) -> jax.Array:
        for i in range(2):
            x = jnp.sin(row.op(keys[i], x, 0.3))
        return x.sum()

    def scan(x: jax.Array) -> jax.Array:
        step = jax.checkpoint(lambda x, key: (jnp.sin(row.op(key, x, 0.3)), None))
        return jax.lax.scan(step, x, keys)[0].sum()

    scanned, looped = jax.jit(jax.grad(scan))(x), jax.grad(loop)(x)
    # The composed gradient rounds at the size of its terms, of order 1, not of their sum.
    np.testing.assert_allclose(scanned, looped, rtol=1e-6, atol=row.slack)


@rows("residuals")
def test_backward_keeps_only_the_key_and_the_rate(row: Row, capsys: pytest.CaptureFixture[str]):
    print_saved_residuals(row.op, KEY, data(), 0.3)
    saved = {line.split(" from ")[-1].split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert saved <= {"key", "rate"}


@rows("eager")
def test_a_second_eager_call_and_a_second_eager_gradient_trace_nothing(row: Row):
    x, gradient = data(), jax.grad(lambda x: row.op(KEY, x, 0.3).sum())
    for call in (lambda: row.op(KEY, x, 0.3), lambda: gradient(x)):
        call()
        assert traces(call) == 0


def traces(call: Callable[[], object]) -> int:
    """How many programs JAX traces in a call."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "trace_to_jaxpr" in frame.f_code.co_name:
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return len(names)


@pytest.mark.parametrize("transform", [jax.jit, jax.checkpoint])
def test_a_closure_that_is_traced_at_every_call_is_seen(transform: Callable[..., Any]):
    def call() -> object:
        return transform(lambda x: jnp.sin(x))(data((3,)))

    assert traces(call)
    assert traces(call)


@rows("swapped")
def test_a_key_in_another_place_is_told_where_it_belongs(row: Row):
    x, keys = data((2,)), (KEY, jax.random.PRNGKey(2026))
    for op, key in itertools.product((row.op, jax.jit(row.op)), keys):
        with pytest.raises(TypeError, match=r"Expected a key; got .*comes first: \w+\(key, \w+"):
            op(x, key, 0.5)
        with pytest.raises(TypeError, match=r"a real number .*got .*key.* The key comes first"):
            op(KEY, x, key)
        with pytest.raises(TypeError, match=r"Expected floating-point data; got a key"):
            op(KEY, KEY, 0.5)


@rows("kinds")
def test_what_is_no_key_or_no_floating_point_data_is_refused(row: Row):
    x = data((4,))
    for key in (0, None, "key", jnp.zeros(2), jnp.zeros(2, jnp.int32), np.float32(1)):
        with pytest.raises(TypeError, match="Expected a key; got"):
            row.op(key, x, 0.5)
    with pytest.raises(ValueError, match=r"Expected one key; got keys of shape \(3,\)"):
        row.op(jax.random.split(KEY, 3), x, 0.5)
    with pytest.raises(ValueError, match=r"Expected a key; got uint32 of shape \(3,\)"):
        row.op(jnp.zeros(3, jnp.uint32), x, 0.5)
    for integers in (jnp.arange(4), jnp.ones(4, bool), 3):
        with pytest.raises(TypeError, match="Expected floating-point data; got"):
            row.op(KEY, integers, 0.5)
    for rate in ("0.5", None, 1j, True, jnp.ones(4, bool)):
        with pytest.raises(TypeError, match="Expected a real number"):
            row.op(KEY, x, rate)
