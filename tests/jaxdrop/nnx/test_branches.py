"""Residual branches, as models write them: found, or named where no site can stand."""

import re
import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdrop.nnx import DropConnect, Dropout, DropPath, dropout_sites, insert, on_branches

X = jax.random.normal(jax.random.key(3), (16, 5, 8))
PATH = partial(DropPath, 0.5)


def linear(rngs):
    return nnx.Linear(8, 8, rngs=rngs)


class Several(nnx.Module):
    """Returns a tuple, of which the second is the output of a module of its own."""

    def __init__(self, rngs):
        self.inner, self.shift = linear(rngs), nnx.Param(jnp.ones((1, 1, 8)))

    def __call__(self, x):
        return nnx.relu(self.inner(x)) * self.shift, self.inner(x), {"x": x}


class Nothing(nnx.Module):
    """Takes nothing at all."""

    def __init__(self, rngs):
        self.value = nnx.Param(jnp.ones((1, 1, 8)))

    def __call__(self):
        return self.value[...]


class Keyword(nnx.Module):
    def __init__(self, rngs):
        self.inner = linear(rngs)

    def __call__(self, *, hidden, scale=1.0):
        return self.inner(hidden) * scale


class LayerScale(nnx.Module):
    def __init__(self, rngs):
        self.gamma = nnx.Param(jnp.full((1, 1, 8), 1e-2))

    def __call__(self, x):
        return self.gamma * x


class Remat(nnx.Module):
    def __init__(self, rngs):
        self.inner = linear(rngs)

    @nnx.remat
    def __call__(self, x):
        return self.inner(x)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.inner = linear(rngs)

    def __call__(self, x):
        return x + nnx.relu(self.inner(x))


class Model(nnx.Module):
    """Calls what a test gives it, on all kinds of modules."""

    def __init__(self, call, rngs):
        self.call = call
        mode: Any = {"decode": False, "deterministic": False}
        self.a, self.b, self.c, self.norm = (*map(linear, [rngs] * 3), nnx.LayerNorm(8, rngs=rngs))
        self.several, self.nothing, self.keyword = Several(rngs), Nothing(rngs), Keyword(rngs)
        self.scale, self.remat, self.block = LayerScale(rngs), Remat(rngs), Block(rngs)
        self.attention = nnx.MultiHeadAttention(2, 8, dropout_rate=0.1, **mode, rngs=rngs)
        self.rnn: Any = nnx.RNN(nnx.LSTMCell(8, 8, rngs=rngs), rngs=rngs)
        self.carrying = nnx.RNN(nnx.GRUCell(8, 8, rngs=rngs), return_carry=True, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.connect = DropConnect(linear(rngs), 0.5, rngs=rngs)
        self.gamma = nnx.Param(jnp.full((1, 1, 8), 0.1))

    def __call__(self, x, **keywords):
        return self.call(self, x, **keywords)


def two(first, second=lambda m, h: m.b(h)):
    """A residual branch, then a second one, by default plain."""

    def call(m, x):
        h = first(m, x)
        return h + second(m, h)

    return call


FOUND = {
    "plain": (two(lambda m, x: x + m.a(x)), "a b"),
    "parameter": (two(lambda m, x: x + m.gamma * m.a(x)), "a b"),
    "number": (two(lambda m, x: 0.1 * m.a(x) + x, lambda m, h: m.b(h) / 2), "a b"),
    "softplus": (two(lambda m, x: x + jax.nn.softplus(m.gamma[...]) * -m.a(x)), "a b"),
    "mask": (two(lambda m, x: x + jnp.where(X > 0, m.a(x), 0.0)), "a b"),
    "layer scale": (two(lambda m, x: x + m.scale(m.a(x))), "scale b"),
    "scaled shortcut": (two(lambda m, x: 0.9 * x + m.a(x)), "a b"),
    "normed shortcut": (lambda m, x: (h := m.norm(x)) + m.a(h), "a"),
    "form": (two(lambda m, x: x + m.a(x.reshape(16, 40)[:, :8]).reshape(16, 1, 8)), "a b"),
    "cast": (
        two(lambda m, x: (x.astype("bfloat16") + m.a(x).astype("bfloat16")).astype("float32")),
        "a b",
    ),
    "parallel": (lambda m, x: x + m.a(m.norm(x)) + m.b(m.norm(x)), "a b"),
    "sum": (lambda m, x: x + m.gamma * (m.a(x) + m.b(x)), "a b"),
    "python's sum": (lambda m, x: sum([x, m.a(x), m.b(x)]), "a b"),
    "shared": (two(lambda m, x: x + m.b(x)), "b"),
    "tuple elsewhere": (two(lambda m, x: x + m.a(m.several(x)[0])), "a b"),
    "one of a tuple": (two(lambda m, x: x + m.several(x)[1]), "several.inner b"),
    "no argument": (two(lambda m, x: x + m.a(x) + m.nothing()), "a b"),
    "from no argument": (lambda m, x: (h := m.nothing()) + m.a(h), "a"),
    "keyword": (two(lambda m, x: x + m.keyword(hidden=x)), "keyword b"),
    "rnn": (two(lambda m, x: x + m.rnn(x)), "rnn b"),
    "rnn elsewhere": (two(lambda m, x: x + m.a(m.carrying(x)[1])), "a b"),
    "attention": (two(lambda m, x: x + m.attention(m.norm(x), x, x, mask=None)), "attention b"),
    "dropout": (two(lambda m, x: x + m.drop(m.a(x))), "drop b"),
    "connect": (two(lambda m, x: x + m.connect(x)), "connect b"),
    "remat": (two(lambda m, x: x + m.remat(x)), "remat b"),
    "jit": (two(lambda m, x: x + nnx.jit(lambda layer, x: layer(x))(m.a, x)), "a b"),
}


@pytest.mark.parametrize(("call", "names"), FOUND.values(), ids=FOUND.keys())
def test_branches_are_found(call, names):
    model = Model(call, nnx.Rngs(0))
    untouched = nnx.clone(model)
    listed = dropout_sites(model)
    insert(model, on_branches(PATH, jax.ShapeDtypeStruct(X.shape, X.dtype)), rngs=nnx.Rngs(1))
    assert set(places(model)) == set(names.split())
    assert len(dropout_sites(model)) == len(listed) + len(names.split())
    assert model.rnn.rngs.count[...] == untouched.rnn.rngs.count[...]
    assert (model(X) != model(X)).any()
    for each in (model, untouched):
        each.eval()
    np.testing.assert_array_equal(model(X), untouched(X))


def places(model) -> list[str]:
    paths = [site.path for site in dropout_sites(model)]
    return [".".join(map(str, path[:-1])) for path in paths if path[-1] == "dropout_after"]


NAMED = {
    "activation": (two(lambda m, x: x + nnx.relu(m.a(x))), "a (ends in max)"),
    "in a block": (two(lambda m, x: m.block(x)), "block.inner (ends in max)"),
    "gate": (two(lambda m, x: x + nnx.sigmoid(m.a(x)) * m.c(x)), "a (ends in mul)"),
    "carry": (two(lambda m, x: x + m.carrying(x)[1]), "carrying (ends in transpose)"),
    "several": (two(lambda m, x: x + m.several(x)[0]), "several (ends in max)"),
    "other examples": (
        two(lambda m, x: x + m.a(x.reshape(-1, 8)).reshape(x.shape)),
        "a (ends in reshape)",
    ),
    "loop": (
        two(lambda m, x: jax.lax.scan(lambda c, _: (c + m.a(c), None), x, None, length=3)[0]),
        "a (is inside of a loop)",
    ),
    "of a loop": (
        two(lambda m, x: x + jax.lax.scan(lambda c, _: (m.a(c), None), x, None, length=3)[0]),
        "a (ends in scan)",
    ),
    "projection": (
        two(lambda m, x: m.a(x) + m.c(nnx.relu(m.norm(x)))),
        "c (added to a, no plain shortcut)",
    ),
}


@pytest.mark.parametrize(("call", "name"), NAMED.values(), ids=NAMED.keys())
def test_a_branch_that_gets_no_site_is_named(call, name):
    model = Model(call, nnx.Rngs(0))
    with pytest.warns(UserWarning, match=re.escape(f"after {name}")):
        insert(model, on_branches(PATH, X), rngs=nnx.Rngs(1))
    assert places(model) == ["b"]


NONE = {
    "no sum": lambda m, x: m.a(m.norm(x)),
    "polynomial": lambda m, x: nnx.gelu(m.a(x)) + x.mean() ** 2,
    "two inputs": lambda m, x: m.a(x) + m.b(X),
    "alike": lambda m, x: m.a(x) + m.b(x),
    "recurrence": lambda m, x: m.a(m.carrying(m.rnn(x))[1]),
}


@pytest.mark.parametrize("call", NONE.values(), ids=NONE.keys())
def test_what_is_no_branch_is_not_named(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="Expected a rule that finds a place"):
            insert(Model(call, nnx.Rngs(0)), on_branches(PATH, X), rngs=nnx.Rngs(1))


def test_what_is_no_array_is_passed_as_it_is():
    def call(m, x, train, rngs, scale):
        noise = rngs.uniform(x.shape)
        return x + m.a(x) * scale if train else x + m.b(x + noise)

    rngs: Any = nnx.Rngs(2)
    for train, name in ((True, "a"), (False, "b")):
        model = Model(call, nnx.Rngs(0))
        rule = on_branches(PATH, X, train=train, rngs=rngs, scale=np.ones((1, 1, 8), np.float32))
        insert(model, rule, rngs=nnx.Rngs(1))
        assert places(model) == [name]
    assert rngs.default.count[...] == 0


class InOrder(nnx.Module):
    """Calls what it holds in order, which the alphabet would change to what does not fit."""

    def __init__(self, rngs):
        self.wide = nnx.Linear(8, 12, rngs=rngs)
        self.layers = nnx.data(
            {"z": nnx.Linear(12, 4, rngs=rngs), "a": nnx.Linear(4, 8, rngs=rngs)}
        )
        self.end = linear(rngs)

    def __call__(self, x):
        h = x
        held: list[Any] = list(vars(self).values())
        for layer in held:
            h = layer(h) if callable(layer) else h
            for inner in layer.values() if isinstance(layer, dict) else ():
                h = inner(h)
        return x + h


def test_a_model_is_traced_in_its_own_order():
    model = InOrder(nnx.Rngs(0))
    insert(model, on_branches(PATH, X), rngs=nnx.Rngs(1))
    assert places(model) == ["end"]
    assert list(model.layers) == ["z", "a"]


def test_sites_that_stand_already_are_not_in_the_way():
    model = Model(FOUND["parallel"][0], nnx.Rngs(0))
    insert(model, on_branches(PATH, X), rngs=nnx.Rngs(1))
    with pytest.raises(ValueError, match=r"Expected no dropout_after at \('a',\); got one"):
        insert(model, on_branches(partial(Dropout, 0.5), X), rngs=nnx.Rngs(1))
