"""Models with sites put in: attention, ways to call, copies, files, tables."""

import copy
import pickle
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdrop.nnx import (
    DropConnect,
    Dropout,
    DropPath,
    Place,
    VariationalRNN,
    after,
    before_last,
    dropout_sites,
    in_attention,
    insert,
    on_branches,
    remove,
)

X = jax.random.normal(jax.random.key(3), (16, 5, 8))
HALF = partial(Dropout, 0.5)


def place(path: Any, side: Any = "after", make: Any = HALF):
    return lambda model: [Place(path, side, make)]


def own_activation(x):
    return jnp.maximum(x, 0.1 * x)


class OwnAttention(nnx.MultiHeadAttention):
    pass


def attention(cls=nnx.MultiHeadAttention, **options):
    options = {"decode": False, "rngs": nnx.Rngs(0), **options}
    return cls(2, 8, broadcast_dropout=False, **options)


def connected(**options):
    layer = attention(**options)
    return nnx.Sequential(DropConnect(layer, 0.5, deterministic=True, rngs=nnx.Rngs(1)))


def with_a_site(**options):
    return insert(attention(**options), place(()), rngs=nnx.Rngs(2))


KINDS = {
    "plain": attention,
    "subclass": partial(attention, OwnAttention),
    "connected": connected,
    "with a site": with_a_site,
    "nested": lambda **options: nnx.Sequential(nnx.Dict(a=1), attention(**options)).layers[1],
}
kinds = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS.keys())
modes = pytest.mark.parametrize("mode", [{}, {"deterministic": False}, {"deterministic": True}])


@kinds
@modes
def test_attention_runs_with_dropout_in_both_modes(build, mode):
    model, untouched = build(**mode), build(**mode)
    untouched.eval()
    insert(model, in_attention(0.5), rngs=nnx.Rngs(1))
    assert (model(X) != model(X)).any()
    model.eval()
    np.testing.assert_array_equal(model(X), untouched(X))
    model.train()
    assert (model(X) != model(X)).any()


@modes
def test_attention_is_as_it_was_once_its_dropout_is_removed(mode):
    for change in ("insert", "eval"):
        model, untouched = attention(**mode), attention(**mode)
        insert(model, in_attention(0.5), rngs=nnx.Rngs(1))
        if change == "eval":
            model.eval()
            untouched.eval()
        assert nnx.graphdef(remove(model)) == nnx.graphdef(untouched)
        assert list(vars(model)) == list(vars(untouched))


def test_attention_that_drops_gets_the_new_rate():
    model, rate = attention(dropout_rate=0.9, deterministic=True), np.float32(0.25)
    insert(model, in_attention(rate), rngs=nnx.Rngs(1))  # pyright: ignore[reportArgumentType]
    assert [(s.rate, s.deterministic) for s in dropout_sites(model)] == [(0.25, False)]
    assert model.dropout_rate == 0
    assert nnx.graphdef(remove(model)) == nnx.graphdef(attention(deterministic=True))


BAD_RATES = {
    "7": (7.0, ValueError, r"Expected a rate in \[0, 1\]; got 7"),
    "negative": (-0.1, ValueError, r"Expected a rate in \[0, 1\]; got -0\.1"),
    "nan": (float("nan"), ValueError, r"Expected a rate in \[0, 1\]; got nan"),
    "text": ("0.1", TypeError, "Expected a real number"),
    "none": (None, TypeError, "Expected a real number"),
    "one of several": (np.array([0.1, 2.0]), ValueError, r"Expected a rate in \[0, 1\]; got 2"),
}


@pytest.mark.parametrize(("rate", "error", "message"), BAD_RATES.values(), ids=BAD_RATES.keys())
@kinds
def test_rates_of_attention_are_checked(build, rate, error, message):
    model = build()
    sites = dropout_sites(model)
    path = next(
        path for path, m in nnx.iter_modules(model) if isinstance(m, nnx.MultiHeadAttention)
    )
    with pytest.raises(error, match=message):
        in_attention(rate)
    with pytest.raises(error, match=message):
        insert(model, place(path, "inside", rate), rngs=nnx.Rngs(1))
    assert dropout_sites(model) == sites


def test_a_rate_of_attention_may_be_traced_or_one_a_head():
    def drop(rate):
        return insert(attention(), in_attention(rate), rngs=nnx.Rngs(1))(X)

    np.testing.assert_allclose(jax.jit(drop)(0.5), drop(0.5), atol=1e-6)
    heads = jnp.zeros((2, 1, 1)).at[0].set(0.5)
    assert (drop(heads) != drop(0.0)).any()
    np.testing.assert_allclose(drop(jnp.zeros((2, 1, 1))), drop(0.0), atol=1e-6)


def test_an_attention_of_ones_own_is_left_alone():
    model = attention(attention_fn=lambda query, *_, **__: query)
    with pytest.raises(ValueError, match="Expected an attention with Flax's attention_fn"):
        insert(model, in_attention(0.5), rngs=nnx.Rngs(1))
    with pytest.raises(ValueError, match="Expected an attention with Flax's attention_fn"):
        insert(
            insert(attention(), in_attention(0.5), rngs=nnx.Rngs(1)),
            in_attention(0.5),
            rngs=nnx.Rngs(1),
        )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (place((), "inside", 0.5), TypeError, r"Expected a nnx\.MultiHeadAttention at \(\)"),
        (place((), "beside"), ValueError, "Expected side to be one of inside, before, after"),
        (place(("layers",)), TypeError, r"that is called at \('layers',\)"),
        (3, TypeError, "Expected a rule, a function from the model to its places; got 3"),
        (
            lambda model: [("layers", 0)],
            TypeError,
            r"Expected places of a rule; got \('layers', 0\)",
        ),
    ],
)
def test_bad_places_say_what_was_expected(change, error, message):
    with pytest.raises(error, match=message):
        insert(nnx.Sequential(nnx.relu), change, rngs=nnx.Rngs(1))


LINEAR, KEYS = nnx.Linear(8, 8, rngs=nnx.Rngs(0)), attention()
ZERO, OTHER = jnp.zeros_like(X), jnp.cos(X)
WAYS = {
    "keyword": (LINEAR, lambda f: f(inputs=X), lambda: LINEAR(ZERO)),
    "first of the signature": (
        *(KEYS, lambda f: f(mask=None, inputs_k=X, inputs_q=OTHER), lambda: KEYS(ZERO, X)),
    ),
    "both": (KEYS, lambda f: f(X, inputs_v=OTHER, inputs_k=X), lambda: KEYS(ZERO, X, OTHER)),
    "function": (jnp.add, lambda f: f(X, OTHER), lambda: OTHER),
    "function by keyword": (own_activation, lambda f: f(x=X), lambda: ZERO),
}


@pytest.mark.parametrize(("held", "call", "expected"), WAYS.values(), ids=WAYS.keys())
def test_a_site_before_takes_the_first_argument_however_it_is_passed(held, call, expected):
    model = nnx.Sequential(nnx.clone(held) if isinstance(held, nnx.Module) else held)
    insert(model, place(("layers", 0), "before", partial(Dropout, 1.0)), rngs=nnx.Rngs(1))
    np.testing.assert_array_equal(call(model.layers[0]), expected())


def test_a_site_before_what_takes_nothing_says_so():
    class Tokens(nnx.Module):
        def __call__(self):
            return X

    model = insert(Tokens(), place((), "before"), rngs=nnx.Rngs(1))
    with pytest.raises(TypeError, match="Expected an argument to drop in; got a call without"):
        model()


def test_what_stood_beside_a_site_is_there_again_after_an_error():
    model = insert(nnx.Linear(8, 8, rngs=nnx.Rngs(0)), place(()), rngs=nnx.Rngs(1))
    with pytest.raises(TypeError):
        model(jnp.ones((2, 3)))
    assert len(dropout_sites(model)) == 1


def test_signatures_stay():
    """`nnx.Sequential` hands keywords on to what has room for them."""

    def shifted(x, shift=0.0):
        return x + shift

    model: Any = nnx.Sequential(nnx.Linear(8, 8, rngs=nnx.Rngs(0)), shifted)
    untouched = copy.deepcopy(model)
    insert(model, after((nnx.Linear, shifted), HALF), rngs=nnx.Rngs(1))
    model.eval()
    np.testing.assert_array_equal(model(X, rngs=None), untouched(X, rngs=None))


class Block(nnx.Module):
    def __init__(self, rngs):
        self.first, self.activation = nnx.Linear(8, 8, rngs=rngs), own_activation
        self.attention = attention()
        self.pair = (own_activation, jnp.asarray)
        self.data = nnx.data(
            {"z": [nnx.Linear(8, 8, rngs=rngs)], "a": (nnx.LayerNorm(8, rngs=rngs),)}
        )

    def __call__(self, x):
        x = x + self.attention(self.activation(self.first(x)))
        return self.pair[0](x + self.data["z"][0](self.data["a"][0](x)))


def connect(rngs):
    layer = nnx.Linear(8, 8, rngs=rngs)
    return nnx.Sequential(DropConnect(layer, 0.5, rngs=rngs), own_activation)


def recurrent(rngs):
    cell = nnx.SimpleCell(8, 8, activation_fn=own_activation, rngs=rngs)
    half: Any = {"input_rate": 0.5, "state_rate": 0.5, "output_rate": 0.5}
    return nnx.Sequential(VariationalRNN(cell, **half, rngs=rngs))


CHANGED = {
    "after": (Block, after((nnx.Linear, nnx.LayerNorm), HALF)),
    "functions": (Block, after(own_activation, HALF)),
    "before_last": (Block, before_last(nnx.Linear, HALF)),
    "in_attention": (Block, in_attention(0.5)),
    "on_branches": (Block, on_branches(partial(DropPath, 0.5), X)),
    "itself": (Block, place(())),
    "connect": (connect, place(("layers", 0))),
    "in connect": (connect, after((nnx.Linear, own_activation), HALF)),
    "recurrent": (recurrent, place(("layers", 0))),
    "in recurrent": (recurrent, after(nnx.Linear, partial(Dropout, 0.5))),
}


def cloudpickled(model):
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")
    return pickle.loads(cloudpickle.dumps(model))


def cloudpickled_parts(model):
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")
    return nnx.merge(*pickle.loads(cloudpickle.dumps(nnx.split(model))))


def restored(model):
    """Numbers alone go to disk and back into a model of the same make."""
    other = nnx.clone(model)
    pure = nnx.to_pure_dict(nnx.state(model))
    state = nnx.state(other)
    nnx.replace_by_pure_dict(state, pure)
    nnx.update(other, state)
    return other


COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "protocol 2": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    "parts": lambda model: nnx.merge(*pickle.loads(pickle.dumps(nnx.split(model)))),
    "deepcopy": copy.deepcopy,
    "cloudpickle": cloudpickled,
    "cloudpickled parts": cloudpickled_parts,
    "clone": nnx.clone,
    "restored": restored,
}


def copied_each() -> Iterator[Any]:
    """Every model by every way, all but a plain pickle and one other of each slow."""
    for number, (name, change) in enumerate(CHANGED.items()):
        for place_of, (way, copied) in enumerate(COPIES.items()):
            quick = way == "pickle" or place_of == 1 + number % (len(COPIES) - 1)
            marks = [pytest.mark.slow] * (not quick)
            yield pytest.param(*change, copied, id=f"{way}-{name}", marks=marks)


@pytest.mark.parametrize(("build", "rule", "copied"), [*copied_each()])
def test_copies_drop_the_same(build, rule, copied):
    model = insert(build(nnx.Rngs(0)), rule, rngs=nnx.Rngs(1))
    for _ in range(2):  # a copy of a copy
        other = copied(model)
        assert {site.path for site in dropout_sites(other)} == {
            s.path for s in dropout_sites(model)
        }
        assert nnx.graphdef(other) == nnx.graphdef(model)
        np.testing.assert_array_equal(other(X), model(X))
        model = other
    assert dropout_sites(remove(model)) == []
    assert nnx.graphdef(model) == nnx.graphdef(remove(build(nnx.Rngs(0))))


TABLES = {
    "after": after((nnx.Linear, nnx.LayerNorm, own_activation), partial(nnx.Dropout, 0.5)),
    "before_last": before_last(nnx.Linear, partial(nnx.Dropout, 0.5)),
    "in_attention": in_attention(0.5),
    "itself": place((), "after", partial(nnx.Dropout, 0.5)),
}


@pytest.mark.parametrize("rule", TABLES.values(), ids=TABLES.keys())
def test_tabulate_shows_a_model_with_sites_and_changes_nothing(rule):
    model = insert(Block(nnx.Rngs(0)), rule, rngs=nnx.Rngs(1))
    expected = nnx.clone(model)(X)
    assert "Block Summary" in nnx.tabulate(model, X)
    np.testing.assert_array_equal(model(X), expected)
    other = insert(Block(nnx.Rngs(0)), rule, rngs=nnx.Rngs(1))
    np.testing.assert_array_equal(other(X), expected)
