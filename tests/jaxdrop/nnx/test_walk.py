"""Models of every make: sites go in, are listed in the model's own order, and come out again."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdrop.nnx import (
    DropConnect,
    Dropout,
    Place,
    after,
    after_activations,
    before_last,
    dropout_sites,
    insert,
    remove,
)

X = jax.random.normal(jax.random.key(3), (4, 6))
HALF = partial(Dropout, 0.5)


def linear(rngs, features=6):
    return nnx.Linear(6, features, rngs=rngs)


class Pair(NamedTuple):
    first: Any
    second: Any


class OwnAttributes(nnx.Module):
    """Calls all that it holds, in the order in which it got it; names are against the alphabet."""

    def __init__(self, rngs):
        self.z, self.m, self.a = linear(rngs), nnx.tanh, linear(rngs)
        self.k = nnx.BatchNorm(6, rngs=rngs)

    def __call__(self, x):
        for name, layer in vars(self).items():
            x = x if name.startswith("_pytree_") else layer(x)
        return x


class OwnModules(nnx.Module):
    """Calls the modules that it holds, and its activation in between."""

    def __init__(self, rngs):
        self.activation, self.z, self.a = nnx.tanh, linear(rngs), linear(rngs)

    def __call__(self, x):
        for layer in list(vars(self).values()):
            x = self.activation(layer(x)) if isinstance(layer, nnx.Module) else x
        return x


class InDict(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.Dict(z=linear(rngs), m=nnx.tanh, a=linear(rngs))

    def __call__(self, x):
        for name in self.layers:
            x = self.layers[name](x)
        return x


class InData(nnx.Module):
    """Lists in dicts in tuples, each as NNX data."""

    def __init__(self, rngs):
        layers = {"z": [linear(rngs), nnx.tanh], "a": (linear(rngs), nnx.tanh)}
        self.layers = nnx.data((layers, Pair(linear(rngs), nnx.tanh)))
        self.list: Any = nnx.data([linear(rngs), nnx.List([nnx.Dict(last=linear(rngs))])])

    def __call__(self, x):
        layers, pair = self.layers
        for layer in [layer for several in layers.values() for layer in several]:
            x = layer(x)
        return self.list[1][0]["last"](self.list[0](pair.second(pair.first(x))))


class Functions(nnx.Module):
    """Functions in containers that are static to NNX."""

    def __init__(self, rngs):
        self.layer = linear(rngs)
        self.functions = (nnx.tanh, {"b": nnx.sigmoid, "a": jnp.square}, [nnx.relu])

    def __call__(self, x):
        first, named, (last,) = self.functions
        for function in named.values():
            x = function(first(self.layer(x)))
        return last(x + 1.0)


class Shared(nnx.Module):
    def __init__(self, rngs):
        layer = linear(rngs)
        self.first, self.others = layer, nnx.List([nnx.tanh, layer])
        self.again = nnx.data((layer, layer))

    def __call__(self, x):
        for layer in (self.first, *self.others, *self.again):
            x = layer(x)
        return x


def sequential(rngs):
    layers = [layer for _ in range(6) for layer in (linear(rngs), nnx.tanh)]
    return nnx.Sequential(*layers, nnx.Sequential(linear(rngs), nnx.relu))


class NoPytree(nnx.Module, pytree=False):
    def __init__(self, rngs):
        self.z, self.a = linear(rngs), linear(rngs)
        self.activation = nnx.tanh

    def __call__(self, x):
        return self.a(self.activation(self.z(x)))


@nnx.dataclass
class Declared(nnx.Module):
    layers: list = nnx.data()
    activation: Any = nnx.static(default=nnx.tanh)

    def __call__(self, x):
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


def declared(rngs):
    return Declared([linear(rngs), linear(rngs)])


MODELS: dict[str, Any] = {
    each.__name__: each
    for each in (OwnAttributes, OwnModules, InDict, InData, Functions, Shared, sequential)
}
MODELS |= {each.__name__: each for each in (NoPytree, declared)}
models = pytest.mark.parametrize("build", MODELS.values(), ids=MODELS.keys())
RULES = {
    "after": after((nnx.Linear, nnx.tanh), HALF),
    "root": lambda model: [Place((), "after", HALF)],
    "after_activations": after_activations(HALF),
    "before_last": before_last(nnx.Linear, HALF),
}
rules = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())


def orders(model):
    """Attributes and keys of a model, in their order, and what each is called on."""
    seen = []

    def look(node):
        own = vars(node) if isinstance(node, nnx.Pytree) else node
        if isinstance(own, dict) and not isinstance(node, nnx.RngStream | nnx.Variable):
            seen.append(list(own))
            for child in own.values():
                look(child)
        elif isinstance(own, list | tuple):
            seen.append(len(own))
            for child in own:
                look(child)

    look(model)
    return seen


@models
@rules
def test_evaluation_stays_and_removal_leaves_no_trace(build, rule):
    model, untouched = build(nnx.Rngs(0)), build(nnx.Rngs(0))
    for each in (model, untouched):
        each.eval()
    expected = untouched(X)
    insert(model, rule, rngs=nnx.Rngs(1))
    assert (model(X) != expected).any()  # sites begin in training mode
    model.eval()
    np.testing.assert_array_equal(model(X), expected)
    assert remove(model) is model
    assert dropout_sites(model) == []
    assert nnx.graphdef(model) == nnx.graphdef(untouched)
    assert orders(model) == orders(untouched)
    np.testing.assert_array_equal(model(X), expected)


@models
def test_a_model_that_calls_what_it_holds_does_not_call_its_own_site(build):
    model = build(nnx.Rngs(0))
    model.eval()
    expected = model(X)
    insert(model, RULES["root"], rngs=nnx.Rngs(1))
    dropped = model(X)
    assert (dropped == 0).any()
    np.testing.assert_array_equal(dropped, jnp.where(dropped == 0, 0, expected * 2))


@models
def test_sites_draw_anew_in_compiled_steps(build):
    model = insert(build(nnx.Rngs(0)), RULES["after"], rngs=nnx.Rngs(1))
    step = nnx.jit(lambda model, x: model(x))
    assert (step(model, X) != step(model, X)).any()


PLACES = {
    "OwnAttributes": [("z",), ("m",), ("a",)],
    "OwnModules": [("activation",), ("z",), ("a",)],
    "InDict": [("layers", "z"), ("layers", "m"), ("layers", "a")],
    "InData": [
        *[("layers", 0, name, i) for name in "za" for i in (0, 1)],
        *[("layers", 1, "first"), ("layers", 1, "second")],
        *[("list", 0), ("list", 1, 0, "last")],
    ],
    "Functions": [("layer",), ("functions", 0)],
    "Shared": [("first",), ("others", 0)],
    "sequential": [*[("layers", i) for i in range(12)], ("layers", 12, "layers", 0)],
    "NoPytree": [("z",), ("a",), ("activation",)],
    "declared": [("layers", 0), ("layers", 1), ("activation",)],
}


@pytest.mark.parametrize("name", PLACES)
def test_sites_are_found_and_listed_in_the_order_of_the_model(name):
    model = insert(MODELS[name](nnx.Rngs(0)), RULES["after"], rngs=nnx.Rngs(1))
    assert [site.path[:-1] for site in dropout_sites(model)] == PLACES[name]
    model = insert(MODELS[name](nnx.Rngs(0)), RULES["before_last"], rngs=nnx.Rngs(1))
    last = {"InData": ("list", 1, 0, "last"), "OwnAttributes": ("a",), "NoPytree": ("a",)}
    others = {"Functions": ("layer",), "Shared": ("first",), "declared": ("layers", 1)}
    nested = {"sequential": ("layers", 12, "layers", 0), "InDict": ("layers", "a")}
    paths = last | others | nested | {"OwnModules": ("a",)}
    assert [site.path[:-1] for site in dropout_sites(model)] == [paths[name]]


def test_functions_in_static_containers_are_found_and_settings_of_others_stay():
    settings = {"b": nnx.tanh, "a": jnp.square, "width": 3}
    model: Any = nnx.Sequential(linear(nnx.Rngs(0)))
    model.settings = settings
    insert(model, after_activations(HALF), rngs=nnx.Rngs(1))
    assert [site.path for site in dropout_sites(model)] == [("settings", "b", "dropout_after")]
    assert settings == {"b": nnx.tanh, "a": jnp.square, "width": 3}
    assert list(model.settings) == ["b", "a", "width"]
    assert remove(model) is model
    assert model.settings == settings


def test_data_that_hold_functions_alone_stay_data():
    def build():
        model: Any = nnx.Sequential(linear(nnx.Rngs(0)))
        model.functions = nnx.data([nnx.tanh, nnx.relu])
        return model

    model = insert(build(), after_activations(HALF), rngs=nnx.Rngs(1))
    assert len(dropout_sites(model)) == 2
    assert nnx.graphdef(remove(model)) == nnx.graphdef(build())


def test_a_shared_module_gets_one_site_and_stays_shared():
    model: Any = insert(Shared(nnx.Rngs(0)), after(nnx.Linear, HALF), rngs=nnx.Rngs(1))
    places = (model.first, model.others[1], *model.again)
    assert len(dropout_sites(model)) == 1
    assert len({id(place) for place in places}) == 1
    remove(model)
    places = (model.first, model.others[1], *model.again)
    assert len({id(place) for place in places}) == 1
    assert type(model.first) is nnx.Linear


def test_dropout_that_a_model_was_built_with_is_removed_wherever_it_stands():
    rngs = nnx.Rngs(0)
    shared = HALF(rngs=rngs)
    model: Any = nnx.Sequential(nnx.Linear(6, 6, rngs=rngs), shared)
    model.data = nnx.data(({"z": [HALF(rngs=rngs), shared]}, Pair(HALF(rngs=rngs), 3)))
    model.dict = nnx.Dict(z=HALF(rngs=rngs), a=shared)
    weights = DropConnect(DropConnect(linear(rngs), 0.5, rngs=rngs), 0.5, rngs=rngs)
    model.wrapped = nnx.data((weights, [DropConnect(HALF(rngs=rngs), 0.5, rngs=rngs)]))
    model.again = weights
    assert len(dropout_sites(model)) == 8
    model.eval()
    expected = model(X)
    remove(model)
    assert dropout_sites(model) == []
    np.testing.assert_array_equal(model(X), expected)
    assert type(model.data[1]) is Pair
    assert type(model.data[1].first) is type(model.layers[1])
    assert model.layers[1] is model.data[0]["z"][1] is model.dict["a"]
    assert list(model.dict) == ["z", "a"]
    assert type(model.again) is nnx.Linear
    assert model.again is model.wrapped[0]
    np.testing.assert_array_equal(model.wrapped[1][0](X), X)


def test_order_is_the_models_own_and_numeric():
    rngs = nnx.Rngs(0)
    model: Any = nnx.Sequential(*[HALF(rngs=rngs) for _ in range(12)])
    model.z, model.a = nnx.data([HALF(rngs=rngs) for _ in range(11)]), HALF(rngs=rngs)
    paths = [("layers", i) for i in range(12)] + [("z", i) for i in range(11)] + [("a",)]
    assert [site.path for site in dropout_sites(model)] == paths
    del model.layers[3]  # Flax moves what follows
    assert [site.path for site in dropout_sites(model)] == [*paths[:11], *paths[12:]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("layers", 2), r"got \('layers', 2\), where 2 is not among 0, 1"),
        (("layers", 0, "weight"), "where 'weight' is not among 'kernel', 'bias'"),
    ],
)
def test_a_place_that_is_not_there_is_named(path, message):
    model = nnx.Sequential(linear(nnx.Rngs(0)), linear(nnx.Rngs(0)))
    with pytest.raises(ValueError, match=message):
        insert(model, lambda model: [Place(path, "after", HALF)], rngs=nnx.Rngs(1))


@pytest.mark.parametrize("model", [None, 3, nnx.Linear, [nnx.Dropout(0.5)], {}])
@pytest.mark.parametrize(
    "call",
    [dropout_sites, remove, lambda model: insert(model, RULES["after"], rngs=nnx.Rngs(0))],
    ids=["dropout_sites", "remove", "insert"],
)
def test_only_modules_are_models(call, model):
    with pytest.raises(TypeError, match=r"Expected a flax\.nnx module; got"):
        call(model)


def test_a_refused_insertion_changes_nothing():
    model, untouched = (InDict(nnx.Rngs(0)) for _ in range(2))
    good = Place(("layers", "m"), "after", HALF)
    for bad in (Place(("layers", "z"), "inside", 0.5), Place(("layers", "q"), "after", HALF), good):
        with pytest.raises((TypeError, ValueError), match="Expected"):
            insert(model, lambda model, bad=bad: [good, bad], rngs=nnx.Rngs(1))
        assert nnx.graphdef(model) == nnx.graphdef(untouched)
