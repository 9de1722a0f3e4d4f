"""What Flax's own tools do to a module: tabulate, intercept, capture; and pickles of it."""

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import jaxdrop.linen
import jaxdrop.nnx
from jaxdrop.nnx import DropConnect, DropModule, VariationalRNN
from tests.jaxdrop.catalogue import KEY, LINEN, TABLE, X, every_linen, make


def only_kernels(path: Any, value: Any) -> bool:
    return value.ndim > 1


def squash(x: jax.Array) -> jax.Array:
    """JAX's compiled functions, a cell's default, have no pickle."""
    return jnp.tanh(x)


def build_rnn(rngs: nnx.Rngs) -> VariationalRNN:
    cell = nnx.SimpleCell(8, 8, activation_fn=squash, rngs=rngs)
    rates: dict[str, Any] = dict.fromkeys(("input_rate", "state_rate", "output_rate"), 0.4)
    return VariationalRNN(cell, **rates, rngs=rngs)


BUILD: dict[str, Any] = {name: partial(make, name) for name in TABLE} | {
    "ConcreteDropout": partial(jaxdrop.nnx.ConcreteDropout, 0.4),
    "DropConnect": lambda rngs: DropConnect(
        nnx.Linear(8, 8, rngs=rngs), 0.4, where=only_kernels, rngs=rngs
    ),
    "DropConnect around dropout": lambda rngs: DropConnect(
        nnx.Sequential(nnx.Linear(8, 8, rngs=rngs), make("Dropout", rngs=rngs)), 0.4, rngs=rngs
    ),
    "DropConnect around attention": lambda rngs: DropConnect(
        nnx.MultiHeadAttention(2, 8, decode=False, dropout_rate=0.4, rngs=rngs), 0.4, rngs=rngs
    ),
    "DropConnect around a network": lambda rngs: DropConnect(build_rnn(rngs), 0.4, rngs=rngs),
    "VariationalRNN": build_rnn,
    "array of rates": lambda rngs: make("Dropout", jnp.full(8, 0.4), rngs=rngs),
}
built = pytest.mark.parametrize("build", BUILD.values(), ids=BUILD.keys())


class Around(nnx.Module):
    """A model that holds a module in an attribute."""

    def __init__(self, build: Any, rngs: nnx.Rngs) -> None:
        self.linear, self.inner = nnx.Linear(8, 8, rngs=rngs), build(rngs=rngs)

    def __call__(self, x: jax.Array) -> Any:
        return self.inner(self.linear(x))


def training(model: Any) -> tuple[str, list[bytes]]:
    """The program of a gradient, which no compiler need see, and what it begins with."""
    structure, state = nnx.split(model)

    def step(state: Any) -> Any:
        model = nnx.merge(structure, state)
        return nnx.grad(lambda model: jnp.sin(model(X)).sum())(model), nnx.state(model)

    return str(jax.make_jaxpr(step)(state)), [*map(raw, jax.tree.leaves(state))]


def raw(leaf: Any) -> bytes:
    key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if key else leaf).tobytes()


def contents(cls: type) -> dict[str, Any]:
    names = set(dir(cls)) - {"__annotations__"}  # that of the class above, until one asks
    return {name: inspect.getattr_static(cls, name) for name in names}


def in_a_sequence(build: Any, rngs: nnx.Rngs) -> Any:
    return nnx.Sequential(nnx.Linear(8, 8, rngs=rngs), build(rngs=rngs), jnp.tanh)


WHERE: dict[str, Any] = {
    "alone": lambda build, rngs: build(rngs=rngs),
    "in a model": Around,
    "in a sequence": in_a_sequence,
}


def placed() -> Iterator[Any]:
    """Every module in every place; all but one of them slow."""
    for number, (name, build) in enumerate(BUILD.items()):
        for place, (where, around) in enumerate(WHERE.items()):
            marks = [pytest.mark.slow] * (place != number % len(WHERE))
            yield pytest.param(partial(around, build), id=f"{where}-{name}", marks=marks)


@pytest.mark.parametrize("build", [*placed()])
def test_tabulate_shows_a_module_and_changes_nothing(build):
    model, traced = build(nnx.Rngs(0)), training(build(nnx.Rngs(0)))
    before = {cls: contents(cls) for _, module in nnx.iter_modules(model) for cls in [type(module)]}
    table = nnx.tabulate(model, X, console_kwargs={"width": 400})
    assert type(model).__name__ in table
    for cls, held in before.items():
        assert contents(cls).keys() == held.keys()
        assert all(contents(cls)[name] is value for name, value in held.items()), cls
    assert training(build(nnx.Rngs(0))) == traced


def test_tabulate_shows_zoneout_and_counts_operations():
    nnx.tabulate(jaxdrop.nnx.Zoneout(0.4, rngs=nnx.Rngs(0)), X, X)
    model = Around(partial(make, "Dropout"), nnx.Rngs(0))
    nnx.tabulate(model, X, compute_flops=True, compute_vjp_flops=True)


def modules_of(package: Any, base: type) -> list[type]:
    """Every class of modules in a package, private ones too."""
    names = [package.__name__, *(m.name for m in pkgutil.walk_packages(package.__path__))]
    found = [
        thing
        for name in names
        for thing in vars(importlib.import_module(_full(package, name))).values()
        if isinstance(thing, type) and issubclass(thing, base)
    ]
    return sorted({cls for cls in found if cls.__module__.startswith("jaxdrop")}, key=str)


def _full(package: Any, name: str) -> str:
    return name if name == package.__name__ else f"{package.__name__}.{name}"


# Of ConcreteDropout. Methods survive, and no call of the module shows them as rows.
METHODS = {"learned_rate", "regularizer"}


def strays(cls: type) -> Iterator[str]:
    """What tabulate would replace in a class: functions that are neither its call nor Flax's."""
    theirs = [base for base in cls.__mro__ if base.__module__.startswith("flax.")]
    for name, _ in inspect.getmembers(cls, inspect.isfunction):
        static = isinstance(inspect.getattr_static(cls, name), staticmethod)
        known = any(hasattr(base, name) for base in theirs) or name in METHODS
        if not name.startswith("_") and (static or not known):
            yield name


@pytest.mark.parametrize("cls", modules_of(jaxdrop.nnx, nnx.Module))
def test_no_class_holds_a_function_that_tabulate_would_replace(cls):
    assert not [*strays(cls)]


def test_a_class_that_holds_one_is_seen():
    class Stray(DropModule):
        check = staticmethod(lambda rate, shape: rate)
        set_view: Any = staticmethod(lambda: None)

        def helper(self): ...

    assert [*strays(Stray)] == ["check", "helper", "set_view"]
    assert len(modules_of(jaxdrop.nnx, nnx.Module)) > len(TABLE)


def linen(name: str) -> Any:
    return getattr(jaxdrop.linen, name)(0.4, **TABLE[name], deterministic=False)


class Holds(nn.Module):
    """A Linen model that holds a module."""

    name_of: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return linen(self.name_of)(nn.Dense(8)(x))


@every_linen
def test_linens_tabulate_shows_the_call_alone(name):
    keys = {"params": KEY, "dropout": KEY}
    models: tuple[Any, ...] = (linen(name), Holds(name))
    for model in models:
        text = model.tabulate(keys, X, console_kwargs={"width": 400, "force_terminal": False})
        assert name in text
        assert "(_" not in text
        assert text.count("__call__") == 0  # it names methods of another name alone
        variables = jax.eval_shape(model.init, keys, X)
        slope = jax.grad(lambda v: jnp.sin(model.apply(v, X, rngs={"dropout": KEY})).sum())  # noqa: B023
        assert jax.tree.structure(jax.eval_shape(slope, variables)) == jax.tree.structure(variables)


@every_linen
def test_interceptors_and_captures_see_the_call_alone(name):
    seen = []

    def look(call, arguments, keywords, context):
        seen.append((type(context.module).__name__, context.method_name))
        return call(*arguments, **keywords)

    with nn.intercept_methods(look):
        y = linen(name).apply({}, X, rngs={"dropout": KEY})
    assert seen == [(name, "__call__")]
    same, state = linen(name).apply({}, X, rngs={"dropout": KEY}, capture_intermediates=True)
    assert state["intermediates"].keys() == {"__call__"}
    np.testing.assert_array_equal(state["intermediates"]["__call__"][0], y)
    np.testing.assert_array_equal(same, y)


WAYS: dict[str, Any] = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "cloudpickle": lambda thing: pickle.loads(cloudpickle.dumps(thing)),
    "deepcopy": copy.deepcopy,
}
ways = pytest.mark.parametrize("through", WAYS.values(), ids=WAYS.keys())


@built
def test_round_trips_keep_streams_and_outputs(build):
    model = build(rngs=nnx.Rngs(0))
    model(X)
    others = [through(model) for through in WAYS.values()]
    for _ in range(2):
        expected = model(X)
        for other in others:
            np.testing.assert_array_equal(other(X), expected)
    assert {*map(type, others)} == {type(model)}


@ways
@pytest.mark.parametrize("name", [*LINEN, "array of rates"])
def test_a_round_trip_of_a_linen_module(name, through):
    held = jaxdrop.linen.Dropout(np.full(8, 0.4), deterministic=False)
    model: Any = linen(name) if name in LINEN else held
    other = through(model)
    assert other == model
    np.testing.assert_array_equal(*(m.apply({}, X, rngs={"dropout": KEY}) for m in (other, model)))


def test_a_class_of_your_own_travels_by_cloudpickle():
    factor = 0.5

    class Halved(DropModule, operator=lambda key, x, rate, *, by=factor: x * by):
        pass

    class HalvedLinen(jaxdrop.linen.DropModule, operator=lambda key, x, rate: x * factor):
        pass

    ours, linens = Halved(0.3, by=0.25), HalvedLinen(0.3, deterministic=False)
    through = WAYS["cloudpickle"]
    np.testing.assert_array_equal(through(ours)(X, rngs=KEY), X / 4)
    np.testing.assert_array_equal(through(linens).apply({}, X, rng=KEY), X / 2)
