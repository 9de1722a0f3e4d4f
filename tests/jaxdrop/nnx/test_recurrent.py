"""Recurrent networks whose masks are drawn once: `VariationalRNN`, and `DropConnect` around one."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdrop
from jaxdrop.nnx import DropConnect, VariationalRNN, dropout_sites, remove
from tests.jaxdrop.loops import HASH, loop_bodies

KEY, X = jax.random.key(7), jax.random.normal(jax.random.key(3), (4, 6, 8))
DOT = " dot("  # only the loops over time multiply matrices
CELLS: dict[str, Any] = {"lstm": nnx.LSTMCell, "gru": nnx.GRUCell, "fused": nnx.OptimizedLSTMCell}
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())


def build(cell: Any = nnx.LSTMCell, **options) -> VariationalRNN:
    rngs = nnx.Rngs(0)
    rates: dict[str, Any] = {"input_rate": 0.3, "state_rate": 0.4, "output_rate": 0.5}
    return VariationalRNN(cell(8, 5, rngs=rngs), rngs=rngs, **rates | options)


def cell_of(model: Any) -> Any:
    return model.cell.cell


@nnx.jit
def run(model: nnx.Module, **call: Any) -> Any:
    """One program; Flax's own loop would be compiled anew in every eager call."""
    return model(X, **call)


def loops(model: nnx.Module) -> str:
    """The bodies of the loops of the compiled gradient."""
    graph, state = nnx.split(model)
    slope = nnx.grad(lambda model, x: model(x).sum(), argnums=1)
    gradient = jax.jit(lambda state, x: slope(nnx.merge(graph, state), x))
    return loop_bodies(gradient.lower(state, X).compile().as_text() or "", having=DOT)


@pytest.mark.parametrize("model", [
    build(), build(nnx.GRUCell),
    DropConnect(nnx.RNN(nnx.GRUCell(8, 5, rngs=nnx.Rngs(0))), 0.5, rngs=nnx.Rngs(1)),
], ids=["lstm", "gru", "connect"])  # fmt: skip
def test_no_step_draws(model):
    body = loops(model)
    assert body
    assert not HASH.findall(body)


def test_a_cell_that_draws_in_every_step_is_seen():
    cell = DropConnect(nnx.GRUCell(8, 5, rngs=nnx.Rngs(0)), 0.5, rngs=nnx.Rngs(1))
    outer = jax.jit(
        lambda x: jax.lax.scan(lambda h, x: cell(h, x, rngs=_key(h)), jnp.zeros((6, 5)), x)
    )
    assert HASH.findall(loop_bodies(outer.lower(X).compile().as_text() or ""))


def _key(h: jax.Array) -> jax.Array:
    return jax.random.fold_in(KEY, h.view(jnp.uint32)[0, 0])


@cells
def test_evaluation_is_flaxs_rnn(cell):
    model = build(cell)
    carry, outputs = nnx.RNN(cell_of(model))(X, return_carry=True)
    np.testing.assert_array_equal(model(X, deterministic=True), outputs)
    model.eval()
    jax.tree.map(np.testing.assert_array_equal, model(X, return_carry=True), (carry, outputs))


def by_hand(model: VariationalRNN, masks: list[jax.Array]) -> jax.Array:
    """A loop in Python: dropped inputs, a hidden state that each step reads through its mask."""
    seen, state, out = masks
    cell, outputs = cell_of(model), []
    memory = hidden = jnp.zeros((4, 5))
    for time in range(6):
        x = jaxdrop.apply_mask(seen, X[:, time], 0.3)
        read = jaxdrop.apply_mask(state, hidden, 0.4)
        if isinstance(cell, nnx.LSTMCell):
            (memory, hidden), _ = cell((memory, read), x)
        else:
            hidden, _ = cell(read, x)
        outputs.append(jaxdrop.apply_mask(out, hidden, 0.5))
    return jnp.stack(outputs, 1)


@pytest.mark.parametrize("cell", [nnx.LSTMCell, nnx.GRUCell])
def test_it_is_the_loop_of_its_definition(cell):
    model = build(cell)
    sites = [model.input_dropout, model.state_dropout, model.output_dropout]
    keys = [nnx.clone(site.rngs)() for site in sites]
    shapes = [(4, 1, 8), (4, 5), (4, 1, 5)]
    drawn = [
        jaxdrop.keep_mask(key, rate, shape).reshape(4, -1)
        for key, rate, shape in zip(keys, (0.3, 0.4, 0.5), shapes, strict=True)
    ]
    expected = nnx.jit(by_hand)(model, drawn)
    np.testing.assert_allclose(model(X), expected, rtol=1e-5, atol=1e-6)


def test_rate_1_forgets_the_hidden_state_alone():
    model = build(input_rate=0.0, state_rate=1.0, output_rate=0.0)
    ones = np.ones((4, 5), np.float32)
    outputs = run(model, initial_carry=(ones, ones * np.inf))
    assert np.isfinite(outputs).all()
    assert not np.array_equal(outputs, run(model, initial_carry=(ones * 0, ones * 0)))


def test_sequences_of_other_forms():
    model = build(time_major=True, return_carry=True)
    carry, outputs = nnx.eval_shape(lambda m: m(X.swapaxes(0, 1), rngs=KEY), model)
    assert (carry[0].shape, outputs.shape) == ((4, 5), (6, 4, 5))
    others = {"seq_lengths": jnp.array([1, 2, 3, 6]), "reverse": True}
    carry, outputs = nnx.eval_shape(lambda m: m(X, return_carry=True, **others), build())
    assert (carry[1].shape, outputs.shape) == ((4, 5), (4, 6, 5))


def test_sites_and_streams():
    model = build()
    assert [site.rate for site in dropout_sites(model)] == [0.3, 0.4, 0.5]
    assert not np.array_equal(run(model), run(model))
    with pytest.raises(ValueError, match="no `rngs` argument was provided to Dropout"):
        VariationalRNN(nnx.GRUCell(8, 5, rngs=nnx.Rngs(0)), state_rate=0.5)(X)
    with pytest.raises(ValueError, match=r"Expected a rate in \[0, 1\]; got 1.5"):
        build(state_rate=1.5)


class Pair(NamedTuple):
    memory: Any
    hidden: Any


CARRIES: dict[str, tuple[Any, Any]] = {  # from a memory and a hidden state, and back
    "tuple": (lambda c, h: (c, h), lambda carry: carry),
    "list": (lambda c, h: [c, h], lambda carry: carry),
    "dict": (lambda c, h: {"h": h, "c": c}, lambda carry: (carry["c"], carry["h"])),
    "named": (Pair, lambda carry: carry),
    "nested": (
        lambda c, h: {"a": [c, None], "z": (Pair(jnp.zeros((*h.shape[:-1], 2)), h), ())},
        lambda carry: (carry["a"][0], carry["z"][0][1]),
    ),
    "counted": (
        lambda c, h: (c, h, jnp.zeros(h.shape, jnp.int32), jnp.zeros(h.shape[:-1], bool)),
        lambda carry: carry[:2],
    ),
}


class Custom(nnx.Module):
    """Flax's LSTM, whose carry is of another form."""

    num_feature_axes = 1

    def __init__(self, form, rngs):
        self.lstm, self.form = nnx.LSTMCell(8, 5, rngs=rngs), form

    def initialize_carry(self, input_shape, key=None):
        return CARRIES[self.form][0](*self.lstm.initialize_carry(input_shape, key))

    def __call__(self, carry, inputs):
        wrap, unwrap = CARRIES[self.form]
        carry, outputs = self.lstm(tuple(unwrap(carry)), inputs)
        return wrap(*carry), outputs


@nnx.jit
def all_ways(model: Any) -> Any:
    """Carry and outputs, those of evaluation from that carry on, and a gradient of them."""
    carry, outputs = model(X, return_carry=True)

    def loss(model: Any) -> Any:
        evaluated = model(X, initial_carry=carry, deterministic=True)
        return evaluated.sum(), evaluated

    slope, evaluated = nnx.grad(loss, has_aux=True)(model)
    return carry, [outputs, evaluated, jax.tree.leaves(slope)[0]]


@cache
def usual() -> Any:
    return all_ways(build())


@pytest.mark.parametrize("form", CARRIES)
def test_a_carry_is_any_pytree(form):
    carry, found = all_ways(build(lambda *sizes, rngs: Custom(form, rngs)))
    jax.tree.map(np.testing.assert_array_equal, (tuple(CARRIES[form][1](carry)), found), usual())


def test_one_array_of_a_list_is_the_hidden_state():
    class Listed(nnx.GRUCell):
        def initialize_carry(self, *arguments, **keywords):  # pyright: ignore
            return [super().initialize_carry(*arguments, **keywords)]

        def __call__(self, carry, inputs):  # pyright: ignore
            carry, outputs = super().__call__(carry[0], inputs)
            return [carry], outputs

    np.testing.assert_array_equal(run(build(Listed)), run(build(nnx.GRUCell)))


def test_a_carry_without_numbers_is_told():
    with pytest.raises(TypeError, match="Expected a carry with floating-point numbers in it; got"):
        build()(X, initial_carry=(jnp.zeros((4, 5), int),))


class Echo(nnx.Module):
    """Gives out the state that it reads, and keeps ones."""

    num_feature_axes = 1

    def initialize_carry(self, input_shape, rngs=None):
        return jnp.ones((input_shape[0], 5))

    def __call__(self, carry, inputs):
        return jnp.ones_like(carry), carry


def test_one_key_gives_masks_apart():
    def mask(**rates):
        off = {"input_rate": 0.0, "state_rate": 0.0, "output_rate": 0.0}
        return np.asarray(run(build(lambda *sizes, rngs: Echo(), **off | rates), rngs=KEY)) != 0

    state, outputs = mask(state_rate=0.5), mask(output_rate=0.5)
    assert (state == state[:, :1]).all()
    assert (state != outputs).any()


def test_what_flaxs_call_takes_and_a_mask_cannot_bear_is_refused():
    with pytest.raises(TypeError, match="time_major"):
        build()(X, time_major=True)  # pyright: ignore


@pytest.mark.parametrize("time_major", [False, True])
def test_without_its_sites_it_is_flaxs_rnn(time_major: bool):
    model = build(time_major=time_major)
    plain = nnx.RNN(cell_of(model), time_major=time_major)
    np.testing.assert_array_equal(remove(model)(X), plain(X))
