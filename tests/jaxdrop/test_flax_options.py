"""What a constructor refuses: whatever suits no data, by the checks of the function itself."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdrop.linen
import jaxdrop.nnx
from tests.jaxdrop.catalogue import KEY, LINEN, TABLE, X, function_of, make

NOT_AXES = {"broadcast_dims": (3, ("a",), (0.5,), "0"), "axis": (None, "a", 1.5, True)}
NOT_AXES |= {name: ("a", 1.5, True) for name in ("batch_dim", "channel_dim", "time_dim")}
WRONG: dict[str, tuple[Any, ...]] = NOT_AXES | {
    "bits": (7, "16", 16.5, None),
    "mode": ("x", None, 3),
    "block_size": (0, -1, "a", 1.5, (1, 2, 3, 4), None),
    "keep_first": (-1, 1.5, "a", True),
    "target_share": (-0.5, 1.5, float("nan"), "a", None),
    "deterministic": ("yes", 0.5, ()),
    "rng_collection": (3, None, nnx.Rngs(0)),
}
UNTYPED: Any = jaxdrop.nnx  # for calls that a type checker refuses too
SAID = re.compile(r"(?s)Expected .*; got .*")
ADAPTERS = {"nnx": (jaxdrop.nnx, TABLE), "linen": (jaxdrop.linen, LINEN)}
adapters = pytest.mark.parametrize(("adapter", "names"), ADAPTERS.values(), ids=ADAPTERS.keys())


def options_of(adapter: Any, name: str) -> set[str]:
    cls = getattr(adapter, name)
    held = vars(cls(0.4, **TABLE[name])).keys()
    unused = {"broadcast_dims"} - set(cls._operation.options)
    return (held & WRONG.keys()) - unused


def refusal(adapter: Any, name: str, rate: Any, **options: Any) -> str:
    """What a constructor says against what it is given."""
    try:
        getattr(adapter, name)(rate, **TABLE[name] | options)
    except (TypeError, ValueError) as error:
        return str(error)
    return "taken"


@adapters
def test_what_suits_no_data_is_refused_at_once(adapter, names):
    tried = [(name, option) for name in names for option in options_of(adapter, name)]
    assert {option for _, option in tried} == WRONG.keys()
    seen = set(WRONG) if adapter is jaxdrop.linen else set()  # one check for all that have it
    for name, option in tried:
        for value in WRONG[option][: 1 if option in seen else None]:
            said = refusal(adapter, name, 0.4, **{option: value})
            assert SAID.match(said), (name, option, value, said)
        seen.add(option)


@adapters
def test_rates_that_are_none_are_refused_at_once(adapter, names):
    for name in names:
        for rate in (None, *wrong_rates(name)):
            said = refusal(adapter, name, rate)
            assert SAID.match(said), (name, rate, said)


def wrong_rates(name: str) -> tuple[Any, ...]:
    """What is no rate of a module, or no stddev."""
    above_1 = (1.5, np.array([0.1, 1.5]))
    limits = {"GaussianNoise": (np.inf,), "GaussianDropout": (*above_1, 1.0, np.ones(3))}
    return (-0.5, float("nan"), "0.1", *limits.get(name, above_1))


@adapters
def test_rates_that_are_none_are_refused_in_a_call_before_a_key_is_drawn(adapter, names):
    for name in names:
        stream = nnx.Rngs(0)
        for rate in wrong_rates(name):
            with pytest.raises((TypeError, ValueError), match=SAID):
                call_with(adapter, name, rate, stream)
        assert not stream.dropout.count[...]


def call_with(adapter: Any, name: str, rate: Any, stream: nnx.Rngs) -> Any:
    passed = {"stddev" if name == "GaussianNoise" else "rate": rate}
    if adapter is jaxdrop.nnx:
        return make(name)(X, rngs=stream, **passed)
    module = getattr(adapter, name)(0.4, **TABLE[name], deterministic=False)
    return module.apply({}, X, rng=KEY, **passed)


def test_a_wrong_rate_is_named():
    for adapter in (jaxdrop.nnx, jaxdrop.linen):
        with pytest.raises(ValueError, match=r"Expected a rate in \[0, 1\]; got 1.5"):
            adapter.Dropout(np.array([0.1, 1.5]))
        with pytest.raises(TypeError, match=r"a real number .* as rate; got '0.1'"):
            adapter.Dropout("0.1")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: a.DropPath(0.5, mode="x"), ValueError, "one of row, batch; got 'x'"),
        (
            lambda a: a.Dropout(0.5, broadcast_dims=3),
            TypeError,
            "of axes .*; got 3.*tuple",
        ),
        (
            lambda a: a.SpatialDropout(0.5, channel_dim=0),
            ValueError,
            "channel_dim apart from",
        ),
        (
            lambda a: a.TargetedDropout(0.5, target_share=0.5, axis=1, broadcast_dims=(1,)),
            ValueError,
            "axis apart from broadcast_dims",
        ),
        (lambda a: a.DropBlock(0.5, block_size=2, channel_dim=0), ValueError, "channel_dim=0"),
        (lambda a: a.LockedDropout(0.5, time_dim=99), ValueError, "time_dim among .*; got 99"),
    ],
)
@pytest.mark.parametrize("adapter", [jaxdrop.nnx, jaxdrop.linen], ids=["nnx", "linen"])
def test_the_message_is_the_functions(adapter, call, error, message):
    with pytest.raises(error, match=message):
        call(adapter)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jaxdrop.nnx.ConcreteDropout(temperature=0.0), ValueError, "temperature above 0"),
        (lambda: jaxdrop.nnx.ConcreteDropout(broadcast_dims=3), TypeError, "sequence of axes"),
        (
            lambda: jaxdrop.nnx.Dropout(jaxdrop.nnx.DropRate(jnp.array([0.5, 1.5]))),
            ValueError,
            r"in \[0, 1\]; got 1.5",
        ),
        (lambda: UNTYPED.DropConnect(3, 0.5), TypeError, "NNX module .* as layer; got 3"),
        (lambda: UNTYPED.VariationalRNN(3), TypeError, "recurrent cell .*; got 3"),
        (
            lambda: jaxdrop.linen.DropPath(0.5, broadcast_dims=[0]),
            ValueError,
            r"Expected no broadcast_dims for DropPath, .*; got \[0\]",
        ),
    ],
)
def test_what_one_adapter_alone_has(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Dropout", {"broadcast_dims": (7,)}),
        ("Dropout", {"broadcast_dims": np.array([0, 1])}),
        ("Dropout", {"broadcast_dims": range(2)}),
        ("TokenDropout", {"keep_first": 300}),
        ("DropBlock", {"block_size": 7}),
        ("DropBlock", {"block_size": [1, 2, 3]}),
        ("LockedDropout", {"time_dim": -6}),
        ("SpatialDropout", {"channel_dim": np.int64(1), "batch_dim": None}),
        ("TargetedDropout", {"target_share": jnp.float32(0.5), "axis": 2, "broadcast_dims": [-1]}),
    ],
)
@pytest.mark.parametrize("adapter", [jaxdrop.nnx, jaxdrop.linen], ids=["nnx", "linen"])
def test_what_suits_some_data_is_taken(adapter, name, options):
    getattr(adapter, name)(0.4, **options)


def test_axes_that_are_equal_numbers_are_told_apart():
    for adapter in (jaxdrop.nnx, jaxdrop.linen):
        adapter.LockedDropout(0.4, time_dim=1)
        for value in (True, 1.0):
            with pytest.raises(TypeError, match="Expected an integer as time_dim"):
                adapter.LockedDropout(0.4, time_dim=value)


def test_traced_options_pass():
    def ours(share):
        return jaxdrop.nnx.TargetedDropout(1.0, target_share=share)(X, rngs=KEY)

    expected = function_of("TargetedDropout")(KEY, X, 1.0, target_share=0.5)
    np.testing.assert_array_equal(jax.jit(ours)(0.5) == 0, expected == 0)


def test_a_function_of_your_own_is_not_tried():
    def scale(key, x, rate, *, by):
        return x * by(x.shape)

    class Scaled(jaxdrop.nnx.DropModule, operator=scale):
        pass

    factors = {X.shape: 2.0}.__getitem__  # for these data alone
    np.testing.assert_array_equal(Scaled(0.4, by=factors)(X, rngs=KEY), 2 * X)
