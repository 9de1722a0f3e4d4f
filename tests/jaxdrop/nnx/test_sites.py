"""Sites: listed in any model, put in by rules, taken out without a trace."""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdrop.nnx
from jaxdrop.nnx import (
    DropConnect,
    Dropout,
    DropPath,
    Place,
    Zoneout,
    after,
    after_activations,
    before_last,
    dropout_sites,
    in_attention,
    insert,
    on_branches,
    remove,
)

X = jax.random.normal(jax.random.key(3), (2, 5, 16))
HALF = partial(Dropout, 0.5)


class Block(nnx.Module):
    def __init__(self, rngs):
        linear = partial(nnx.Linear, rngs=rngs)
        self.norm, self.second = nnx.LayerNorm(16, rngs=rngs), nnx.LayerNorm(16, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(4, 16, decode=False, rngs=rngs)
        self.mlp = nnx.Sequential(linear(16, 32), nnx.gelu, linear(32, 16))
        self.activation = partial(nnx.leaky_relu, negative_slope=0.1)

    def __call__(self, x):
        x = x + self.attention(self.norm(x))
        return self.activation(self.mlp(self.second(x)).astype(x.dtype) + x)


compiled = jax.jit(lambda x: x + 0.0)
step = nnx.jit(lambda model, x: model(x))


class Model(nnx.Module):
    def __init__(self, rngs):
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.head = nnx.Linear(16, 3, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = compiled(block(x))
        return self.head(self.norm(x))


def build() -> Any:
    return Model(nnx.Rngs(0))


def both(*ends):
    return [("blocks", block, *end) for block in (0, 1) for end in ends]


RULES = {
    "after": (
        after((nnx.LayerNorm, nnx.BatchNorm), HALF),
        [*both(("norm",), ("second",)), ("norm",)],
    ),
    "after_activations": (
        after_activations(HALF),
        both(("mlp", "layers", 1), ("activation",)),
    ),
    "before_last": (before_last(nnx.Linear, HALF), [("head",)]),
    "in_attention": (in_attention(0.5), both(("attention", "attention_fn"))),
    "on_branches": (
        on_branches(partial(DropPath, 0.5), jax.ShapeDtypeStruct((2, 5, 16), jnp.float32)),
        both(("attention",), ("mlp",)),
    ),
    "own": (lambda model: [Place(("head",), "after", HALF)], [("head",)]),
}
rules = pytest.mark.parametrize(("rule", "paths"), RULES.values(), ids=RULES.keys())


@rules
def test_rules_find_their_places(rule, paths):
    model = insert(build(), rule, rngs=nnx.Rngs(1))
    found = [site.path for site in dropout_sites(model)]
    above = [path[:-1] if "dropout" in str(path[-1]) else path for path in found]
    assert above == paths
    assert all(site.rate == 0.5 and site.stream == "dropout" for site in dropout_sites(model))


@rules
def test_weights_and_evaluation_stay_and_training_drops(rule, paths):
    model, untouched = build(), build()
    assert insert(model, rule, rngs=nnx.Rngs(1)) is model
    weights, expected = (nnx.to_flat_state(nnx.state(m, nnx.Param)) for m in (model, untouched))
    for (path, weight), (name, value) in zip(weights, expected, strict=True):
        assert path == name
        np.testing.assert_array_equal(weight[...], value[...])
    assert isinstance(model.head, nnx.Linear)
    for each in (model, untouched):
        each.eval()
    np.testing.assert_array_equal(model(X), untouched(X))
    for each in (model, untouched):
        each.train()
    first, second = step(model, X), step(model, X)
    assert (first != second).any()
    assert (first != step(untouched, X)).any()


@rules
def test_removal_leaves_no_trace(rule, paths):
    model = build()
    expected, untouched = nnx.split(model)
    assert nnx.split(insert(model, rule, rngs=nnx.Rngs(1)))[0] != expected
    assert remove(model) is model
    assert dropout_sites(model) == []
    graph, state = nnx.split(model)
    assert graph == expected
    jax.tree.map(np.testing.assert_array_equal, *map(_numbers, (state, untouched)))


def _numbers(state: nnx.State) -> list[jax.Array]:
    arrays = jax.tree.leaves(state)
    keys = [jnp.issubdtype(a.dtype, jax.dtypes.prng_key) for a in arrays]
    return [jax.random.key_data(a) if key else a for a, key in zip(arrays, keys, strict=True)]


def test_all_rules_together():
    model, rngs = build(), nnx.Rngs(1)
    for name in ("after_activations", "before_last", "in_attention", "on_branches", "own"):
        insert(model, RULES[name][0], rngs=rngs)
    assert len(dropout_sites(model)) == sum(len(paths) for _, paths in RULES.values()) - 5
    model.eval()
    reference = build()
    reference.eval()
    np.testing.assert_array_equal(model(X), reference(X))
    assert dropout_sites(remove(model)) == []


def test_removal_of_what_a_model_was_built_with():
    rngs = nnx.Rngs(0)
    attention = nnx.MultiHeadAttention(4, 16, dropout_rate=0.3, decode=False, rngs=rngs)
    wrapped = DropConnect(nnx.Linear(16, 16, rngs=rngs), 0.5, rngs=rngs)
    model = nnx.Sequential(nnx.Dropout(0.5, rngs=rngs), attention, wrapped, HALF(rngs=rngs))
    assert [site.kind for site in dropout_sites(model)] == [
        *("Dropout", "MultiHeadAttention", "DropConnect", "Dropout")
    ]
    model.eval()
    expected = model(X)
    model.train()
    remove(model)
    assert dropout_sites(model) == []
    np.testing.assert_allclose(model(X), expected, atol=1e-6)  # Flax computes attention in two ways
    assert dropout_sites(remove(HALF(rngs=rngs))) == []


def test_the_model_itself_can_be_a_place():
    attention = nnx.MultiHeadAttention(4, 16, decode=False, rngs=nnx.Rngs(0))
    insert(attention, in_attention(0.5), rngs=nnx.Rngs(1))
    assert [site.path for site in dropout_sites(attention)] == [("attention_fn",)]
    attention.train()
    assert (attention(X) != attention(X)).any()
    assert dropout_sites(remove(attention)) == []


def test_zoneout_stays():
    model = nnx.Sequential(Zoneout(0.5, rngs=nnx.Rngs(0)))
    assert [site.kind for site in dropout_sites(remove(model))] == ["Zoneout"]


def test_sites_tell_mode_and_rate():
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(
        HALF(rngs=rngs, rng_collection="noise"),
        HALF(deterministic=None),
        Dropout(jnp.full(16, 0.2), rngs=rngs),
        jaxdrop.nnx.ConcreteDropout(0.25, rngs=rngs),
    )
    assert [site.stream for site in dropout_sites(model)] == ["noise", *["dropout"] * 3]
    assert [site.deterministic for site in dropout_sites(model)] == [False, None, False, False]
    model.eval()
    assert all(site.deterministic for site in dropout_sites(model))
    rates = [site.rate for site in dropout_sites(model)]
    assert rates[:2] == [0.5, 0.5]
    np.testing.assert_array_equal(rates[2], np.full(16, 0.2, np.float32))
    np.testing.assert_allclose(rates[3], 0.25, rtol=1e-6)


def test_streams_that_begin_with_one_key_are_told():
    same = nnx.Sequential(HALF(rngs=nnx.Rngs(0)), nnx.relu, HALF(rngs=nnx.Rngs(0)))
    with pytest.warns(UserWarning, match=r"draw the same masks: layers\.0, layers\.2"):
        dropout_sites(same)
    stream = nnx.Rngs(0).dropout
    shared: Any = nnx.Sequential(HALF(), HALF())
    for site in shared.layers:
        site.rngs = stream  # one counter for both: each draw is new
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dropout_sites(shared)
        dropout_sites(insert(build(), after_activations(HALF), rngs=nnx.Rngs(1)))


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (after(nnx.Conv, HALF), ValueError, "Expected a rule that finds a place; got none"),
        (
            lambda model: [Place(("head",), "after", 0.5)],
            TypeError,
            "Expected something that makes",
        ),
        (
            lambda model: [Place(("head",), "after", HALF)] * 2,
            ValueError,
            "at \\('head',\\); got one",
        ),
    ],
)
def test_bad_rules_say_what_was_expected(rule, error, message):
    with pytest.raises(error, match=message):
        insert(build(), rule, rngs=nnx.Rngs(1))


def test_only_a_module_that_returns_one_array_can_have_a_site_after_it():
    model = insert(
        nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)), lambda m: [Place((), "after", HALF)], rngs=nnx.Rngs(1)
    )
    with pytest.raises(TypeError, match="Expected one array out of LSTMCell; got tuple"):
        model((jnp.ones(4), jnp.ones(4)), jnp.ones(3))
