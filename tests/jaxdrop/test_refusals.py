"""What functions refuse, and how they say it; rates of operators are a law (tests/test_laws.py)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxdrop
from jaxdrop import rates

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY)
X = jnp.ones((2, 4, 3))
INTEGERS = jnp.ones((2, 4, 3), jnp.int32)
COMPLEX = X.astype(jnp.complex64)
BOOL = jnp.ones((4,), bool)
IMAGE = jnp.ones((2, 6, 6, 3))
PAIR = {"a": jnp.ones(3), "b": jnp.ones(4)}

j: Any = jaxdrop  # for calls that a type checker refuses too


def price(f: Any, **changes: object) -> object:
    """The regulariser with one argument changed."""
    arguments = {"input_dim": 3, "weight_regularizer": 1.0, "dropout_regularizer": 1.0}
    return f(**{"logit": 0.0, "weights": X, **arguments, **changes})


# For each function calls, their exceptions and messages.
REFUSED: dict[str, list[tuple[Callable[[Any], object], type[Exception], str]]] = {
    "dropout": [
        (lambda f: f(KEY, X, 0.5, bits=16.0), ValueError, "bits to be 8, 16 or 32; got 16.0"),
        (
            lambda f: f(KEY, X, 0.5, broadcast_dims=0),
            TypeError,
            "sequence of axes as broadcast_dims; got 0",
        ),
        (lambda f: f(KEY, None, 0.5), TypeError, "floating-point data; got None"),
        (
            lambda f: f(KEY, X, jax.random.PRNGKey(0)),
            TypeError,
            r"got uint32 of shape \(2,\), like a legacy key",
        ),
        (
            lambda f: f(jnp.zeros(3, jnp.uint32), X, 0.5),
            ValueError,
            r"key; got uint32 of shape \(3,\)",
        ),
    ],
    "keep_mask": [
        (lambda f: f(0.5, KEY, (2,)), TypeError, r"got 0.5. The key .*: keep_mask\(key"),
        (
            lambda f: f(KEY, 0.5, (2, 2.5)),
            TypeError,
            r"shape, one integer or a sequence of them; got \(2, 2.5\)",
        ),
        (
            lambda f: f(KEY, 0.5, "ab"),
            TypeError,
            "shape, one integer or a sequence of them; got 'ab'",
        ),
    ],
    "complementary_masks": [
        (lambda f: f((2,), 0.5, KEY), TypeError, r"got \(2,\). .*: complementary_masks\(k"),
        (lambda f: f(KEY, 0.5, (2, -1)), ValueError, r"a shape of sizes 0 or more; got \(2, -1\)"),
        (
            lambda f: f(KEY, None, (2,)),
            TypeError,
            "real number or an array of them as rate; got None",
        ),
        (lambda f: f(jnp.zeros(2), 0.5, (2,)), TypeError, "a key; got an array of float32"),
        (lambda f: f(KEY, 0.5, (2,), bits=64), ValueError, "bits to be 8, 16 or 32; got 64"),
    ],
    "concrete_dropout": [
        (
            lambda f: f(X, KEY, 0.0),
            TypeError,
            r"The key comes first: concrete_dropout\(key, x, logit\)",
        ),
        (
            lambda f: f(KEY, X, KEY),
            TypeError,
            "real number or an array of them as logit; got a key",
        ),
        (lambda f: f(KEY, X, float("nan")), ValueError, "a logit that is no NaN; got nan"),
        (lambda f: f(KEY, X, "0"), TypeError, "real number or an array of them as logit; got '0'"),
        (lambda f: f(KEY, X, jnp.zeros(4)), ValueError, "a logit that broadcasts"),
        (lambda f: f(KEY, X, 0.0, temperature=0), ValueError, "a temperature above 0; got 0.0"),
        (lambda f: f(KEY, COMPLEX, 0.0), TypeError, "real floating-point data; got complex64"),
    ],
    "apply_mask": [
        (lambda f: f(None, X, 0.5), TypeError, "a bool mask, True where kept; got None"),
        (lambda f: f("a", X, 0.5), TypeError, "a bool mask, True where kept; got 'a'"),
    ],
    "spatial_dropout": [
        (lambda f: f(KEY, None, 0.5), TypeError, "floating-point data; got None"),
        (
            lambda f: f(KEY, X, 0.5, channel_dim=3),
            ValueError,
            r"channel_dim among the 3 axes of shape \(2, 4, 3\); got 3",
        ),
        (
            lambda f: f(KEY, X, 0.5, batch_dim=-4),
            ValueError,
            r"batch_dim among the 3 axes of shape \(2, 4, 3\); got -4",
        ),
        (
            lambda f: f(KEY, X, 0.5, channel_dim=-3),
            ValueError,
            r"channel_dim apart from batch_dim; got axis 0 of shape \(2, 4, 3\) in both",
        ),
        (
            lambda f: f(KEY, jnp.ones(4), 0.5),
            ValueError,
            "channel_dim apart from batch_dim; got axis 0",
        ),
        (lambda f: f(KEY, X, 0.5, channel_dim="c"), TypeError, "integer as channel_dim; got 'c'"),
        (
            lambda f: f(KEY, X, jnp.full((4, 1), 0.5)),
            ValueError,
            r"rate that broadcasts to the drawn shape \(tied axes are 1\) \(2, 1, 3\)",
        ),
        (lambda f: f(KEY, INTEGERS, 0.5), TypeError, "floating-point data; got int32"),
    ],
    "feature_alpha_dropout": [
        (lambda f: f(KEY, "a", 0.5), TypeError, "floating-point data; got 'a'"),
        (lambda f: f(KEY, X, 0.5, batch_dim=2), ValueError, "channel_dim apart from batch_dim"),
        (lambda f: f(0, X, 0.5), TypeError, "a key; got 0"),
    ],
    "alpha_dropout": [
        (lambda f: f(KEY, COMPLEX, 0.5), TypeError, "real floating-point data; got complex64"),
        (lambda f: f(KEY, X, 0.5, bits=4), ValueError, "bits to be 8, 16 or 32; got 4"),
        (
            lambda f: f(KEY, X, 0.5, broadcast_dims=(5,)),
            ValueError,
            "broadcast_dims among the 3 axes",
        ),
    ],
    "gaussian_dropout": [
        (
            lambda f: f(KEY, X, 1.0),
            ValueError,
            r"rate below 1; got 1. The variance rate / \(1 - rate\) has no bound there",
        ),
        (lambda f: f(KEY, X, jnp.array([0.0, 0.5, 1.0])), ValueError, "a rate below 1; got 1"),
        (lambda f: f(KEY, COMPLEX, 0.5), TypeError, "real floating-point data; got complex64"),
        (lambda f: f(KEYS, X, 0.5), ValueError, r"one key; got keys of shape \(2,\)"),
    ],
    "gaussian_noise": [
        (lambda f: f(KEY, X, -1.0), ValueError, r"a stddev in \[0, inf\); got -1.0"),
        (lambda f: f(KEY, X, float("inf")), ValueError, r"a stddev in \[0, inf\); got inf"),
        (
            lambda f: f(KEY, X, "loud"),
            TypeError,
            "real number or an array of them as stddev; got 'loud'",
        ),
        (lambda f: f(KEY, X, jnp.ones(2)), ValueError, "a stddev that broadcasts"),
        (lambda f: f(KEY, INTEGERS, 1.0), TypeError, "floating-point data; got int32"),
    ],
    "exact_dropout": [
        (lambda f: f(KEY, 1.0, 0.5), ValueError, r"axis among the 0 axes of shape \(\); got -1"),
        (
            lambda f: f(KEY, X, 0.5, axis=3),
            ValueError,
            r"axis among the 3 axes of shape \(2, 4, 3\); got 3",
        ),
        (lambda f: f(KEY, X, 0.5, axis=(0, 1)), TypeError, r"an integer as axis; got \(0, 1\)"),
        (
            lambda f: f(KEY, X, jnp.full(3, 0.5)),
            ValueError,
            r"rate that broadcasts to the drawn shape \(tied axes are 1\) \(2, 4, 1\)",
        ),
    ],
    "targeted_dropout": [
        (
            lambda f: f(KEY, X, 0.5, target_share=50),
            ValueError,
            r"target_share in \[0, 1\]; got 50.0",
        ),
        (
            lambda f: f(KEY, X, 0.5, target_share=jnp.ones(3)),
            ValueError,
            r"one number as target_share; got shape \(3,\)",
        ),
        (
            lambda f: f(KEY, X, 0.5, target_share=0.5, broadcast_dims=(0, 2)),
            ValueError,
            "axis apart from broadcast_dims; got axis 2",
        ),
        (lambda f: f(KEY, X, 0.5, target_share=0.5, axis=7), ValueError, "axis among the 3 axes"),
        (lambda f: f(KEY, BOOL, 0.1, target_share=0.5), TypeError, "floating-point data; got bool"),
    ],
    "concrete_regularizer": [
        (
            lambda f: price(f, logit=jnp.zeros(3)),
            ValueError,
            r"one number as logit; got shape \(3,\)",
        ),
        (
            lambda f: price(f, dropout_regularizer=-1.0),
            ValueError,
            "dropout_regularizer above 0; got -1.0",
        ),
        (lambda f: price(f, input_dim=0), ValueError, "an input_dim above 0; got 0.0"),
        (lambda f: price(f, weights=[X, INTEGERS]), TypeError, "floating-point data; got int32"),
    ],
    "classical_inference": [
        (lambda f: f(X, 2), ValueError, r"a rate in \[0, 1\]; got 2.0"),
        (lambda f: f(X, jnp.full(4, 0.5)), ValueError, "a rate that broadcasts"),
        (lambda f: f(INTEGERS, 0.5), TypeError, "floating-point data; got int32"),
    ],
    "drop_path": [
        (lambda f: f(KEY, jnp.ones(()), 0.5), ValueError, "batch_dim among the 0 axes"),
        (
            lambda f: f(KEY, IMAGE, 0.5, batch_dim=4),
            ValueError,
            "batch_dim among the 4 axes .* got 4",
        ),
        (lambda f: f(KEY, IMAGE, 0.5, batch_dim=None), TypeError, "an integer as batch_dim"),
        (lambda f: f(KEY, IMAGE, 0.5, mode="rows"), ValueError, "one of row, batch; got 'rows'"),
        (lambda f: f(KEY, IMAGE, jnp.full(3, 0.5)), ValueError, r"broadcasts to .* \(2, 1, 1, 1\)"),
        (lambda f: f(KEY, IMAGE, jnp.full(2, 0.5), mode="batch"), ValueError, r"\(1, 1, 1, 1\)"),
    ],
    "drop_block": [
        (lambda f: f(KEY, IMAGE, 0.5, block_size=0), ValueError, "block_size of 1 or more.* got 0"),
        (lambda f: f(KEY, IMAGE, 0.5, block_size=(3,)), ValueError, r"or 2 of them.* got \(3,\)"),
        (lambda f: f(KEY, IMAGE, 0.5, block_size=(3, -1)), ValueError, r"got \(3, -1\)"),
        (lambda f: f(KEY, IMAGE, 0.5, block_size=2.5), TypeError, "to be an integer .* got 2.5"),
        (lambda f: f(KEY, IMAGE, 0.5, block_size="33"), TypeError, "to be an integer .* got '33'"),
        (lambda f: f(KEY, IMAGE, 0.5), TypeError, "block_size"),
        (
            lambda f: f(KEY, IMAGE[0, 0], 0.5, block_size=3),
            ValueError,
            "one to three spatial axes; got",
        ),
        (
            lambda f: f(KEY, jnp.ones((1,) * 6), 0.5, block_size=1),
            ValueError,
            "one to three spatial",
        ),
        (lambda f: f(KEY, IMAGE, 0.5, block_size=3, channel_dim=0), ValueError, "channel_dim=0"),
        (
            lambda f: f(KEY, IMAGE, 0.5, block_size=3, channel_dim=9),
            ValueError,
            "channel_dim among",
        ),
        (
            lambda f: f(KEY, IMAGE, jnp.full(3, 0.5), block_size=3),
            ValueError,
            r"\(2, 1, 1, 1\); got",
        ),
    ],
    "drop_connect": [
        (lambda f: f(KEY, PAIR, {"a": 0.5}), ValueError, "a pytree of them like the weights"),
        (lambda f: f(KEY, PAIR, [0.5, 0.5]), ValueError, "To leave leaves out, pass where"),
        (lambda f: f(KEY, PAIR, jnp.full(4, 0.5)), ValueError, r"broadcasts to .* \(3,\); got"),
        (lambda f: f(KEY, {"a": jnp.arange(3)}, 0.5), TypeError, "floating-point data; got int32"),
        (lambda f: f(KEY, PAIR, {"a": 0.5, "b": 2.0}), ValueError, r"\[0, 1\]; got 2.0"),
        (lambda f: f(0, {}, 0.5), TypeError, "Expected a key; got 0"),
        (lambda f: f(KEY, PAIR, 0.5, where="a"), TypeError, "where to be a function .* got 'a'"),
        (lambda f: f(KEY, PAIR, 0.5, where=1), TypeError, "where to be a function .* got 1"),
        (lambda f: f(KEY, PAIR, KEY), TypeError, "a real number .* as rate; got a key"),
        (
            lambda f: f(PAIR, KEY, 0.5),
            TypeError,
            r"comes first: drop_connect\(key, weights, rate\)",
        ),
    ],
    "embedding_dropout": [
        (
            lambda f: f(KEY, jnp.ones(5), 0.5),
            ValueError,
            r"shape \(words, features\); got shape \(5,\)",
        ),
        (
            lambda f: f(KEY, jnp.ones((5, 2)), jnp.full(2, 0.5)),
            ValueError,
            r"\(5, 1\); got shape \(2,\)",
        ),
        (lambda f: f(KEY, jnp.ones((5, 2), int), 0.5), TypeError, "floating-point data; got int32"),
        (lambda f: f(KEY, jnp.ones((2, 2)), [[1], [1, 2]]), TypeError, r"a real number .*\[1, 2\]"),
    ],
    "locked_dropout": [
        (
            lambda f: f(KEY, IMAGE, 0.5, time_dim=-5),
            ValueError,
            "time_dim among the 4 axes.* got -5",
        ),
        (lambda f: f(KEY, IMAGE, 0.5, time_dim=1.0), TypeError, "an integer as time_dim"),
        (lambda f: f(KEY, IMAGE, 0.5), TypeError, "time_dim"),
        (
            lambda f: f(KEY, IMAGE, jnp.full((6, 6, 3), 0.5), time_dim=1),
            ValueError,
            r"\(2, 1, 6, 3\)",
        ),
    ],
    "zoneout": [
        (
            lambda f: f(KEY, jnp.ones(3), jnp.ones(4), 0.5),
            ValueError,
            r"one shape; got \(3,\) and \(4,\)",
        ),
        (
            lambda f: f(KEY, jnp.ones(3), jnp.ones(3, "bfloat16"), 0.5),
            TypeError,
            "float32 and bfloat16",
        ),
        (
            lambda f: f(KEY, jnp.ones(3, int), jnp.ones(3), 0.5),
            TypeError,
            "floating-point data; got int32",
        ),
    ],
    "zoneout_inference": [
        (lambda f: f(jnp.ones(3), jnp.ones(3), 1.5), ValueError, r"\[0, 1\]; got 1.5"),
        (lambda f: f(jnp.ones(3), jnp.ones(4), 0.5), ValueError, "previous and new of one shape"),
    ],
    "token_dropout": [
        (lambda f: f(KEY, jnp.ones(5), 0.5), ValueError, r"shape \(..., tokens, features\); got"),
        (
            lambda f: f(KEY, IMAGE, 0.5, keep_first=7),
            ValueError,
            "keep_first between 0 and 6; got 7",
        ),
        (
            lambda f: f(KEY, IMAGE, 0.5, keep_first=-1),
            ValueError,
            "keep_first between 0 and 6; got -1",
        ),
        (lambda f: f(KEY, IMAGE, 0.5, keep_first=0.5), TypeError, "integer as keep_first; got 0.5"),
        (lambda f: f(KEY, IMAGE, 0.5, mode="drop"), ValueError, "one of mask, remove; got 'drop'"),
        (lambda f: f(KEY, IMAGE, jnp.full(6, 0.5), mode="remove"), ValueError, r"got shape \(6,\)"),
        (lambda f: f(KEY, IMAGE, 1.5, mode="remove"), ValueError, r"\[0, 1\]; got 1.5"),
        (
            lambda f: jax.jit(lambda rate: f(KEY, IMAGE, rate, mode="remove"))(0.5),
            TypeError,
            "concrete rate, because it decides a shape",
        ),
    ],
    "attention_dropout": [
        (lambda f: f(KEY, jnp.ones(5), 0.5), ValueError, r"shape \(..., queries, keys\); got"),
        (
            lambda f: f(KEY, IMAGE, 0.5, broadcast_dims=(4,)),
            ValueError,
            "among the 4 axes .* got 4",
        ),
    ],
    "r_drop_loss": [
        (lambda f: f(jnp.ones((2, 3)), jnp.ones(3)), ValueError, r"got \(2, 3\) and \(3,\)"),
        (lambda f: f(jnp.ones(()), jnp.ones(())), ValueError, r"shape \(..., classes\); got"),
        (lambda f: f(jnp.ones(3, int), jnp.ones(3, int)), TypeError, "floating-point data"),
        (lambda f: f(jnp.ones(3), jnp.ones(3, "float16")), TypeError, "float32 and float16"),
    ],
    "linear_depth": [
        (lambda f: f(0, 0.5), ValueError, "number of blocks of 1 or more; got 0"),
        (lambda f: f(2.0, 0.5), TypeError, "an integer as number of blocks; got 2.0"),
        (lambda f: f(3, 1.5), ValueError, r"\[0, 1\]; got 1.5"),
        (lambda f: f(3, (0.1, 0.2)), ValueError, r"got shape \(2,\)"),
    ],
    "stepwise_depth": [
        (lambda f: f(3, 0.1, -0.1, 0.5), ValueError, "a step of 0 or more; got -0.1"),
        (lambda f: f(3, 0.1, 0.1, 5), ValueError, r"\[0, 1\]; got 5.0"),
    ],
    "by_stage": [
        (lambda f: f((2, 3), (0.1,)), ValueError, "each of 2 stages; got 1"),
        (lambda f: f((2, 0), (0.1, 0.2)), ValueError, "number of blocks of 1 or more; got 0"),
        (lambda f: f((2, 3), 0.1), TypeError, "a sequence of rates.* got 0.1"),
        (lambda f: f((2, 3), (0.1, "0.2")), TypeError, "a real number"),
        (lambda f: f(3, (0.1,)), TypeError, "a sequence of numbers of blocks.* got 3"),
    ],
    "early": [
        (lambda f: f(0.5, 0), ValueError, "a cutoff above 0; got 0"),
        (lambda f: f(0.5, 10, decay="cosine"), ValueError, "linear, constant; got 'cosine'"),
        (lambda f: f(-0.5, 10), ValueError, r"\[0, 1\]; got -0.5"),
        (lambda f: f(0.5, "a"), TypeError, "a real number .* as cutoff; got 'a'"),
        (lambda f: f(0.5, None), TypeError, "a real number .* as cutoff; got None"),
        (lambda f: f(0.5, float("nan")), ValueError, "a cutoff above 0; got nan"),
        (lambda f: f(0.5, float("inf")), ValueError, "a cutoff above 0; got inf.* finite"),
        (lambda f: f(0.5, 10)("a"), TypeError, "a real number .* as step; got 'a'"),
    ],
    "late": [
        (lambda f: f(0.5, -1), ValueError, "a start of 0 or more; got -1"),
        (lambda f: f(float("nan"), 10), ValueError, r"\[0, 1\]; got nan"),
        (lambda f: f(0.5, None), TypeError, "a real number .* as start; got None"),
        (lambda f: f(0.5, [1, 2]), ValueError, r"one number as start; got shape \(2,\)"),
        (lambda f: f(0.5, 10)(KEY), TypeError, "a real number .* as step; got a key"),
    ],
    "derive": [
        (
            lambda f: f(KEY, step=1, layer="\ud800"),
            ValueError,
            r"Unicode characters; got '\\ud800'",
        ),
        (lambda f: f(KEY, step=1, layer=b"a"), TypeError, "an integer as layer; got b'a'. A name"),
        (lambda f: f(KEY, step=1, layer=["a"]), TypeError, "an integer as layer"),
        (lambda f: f(KEY, step=KEY), TypeError, "an integer as step; got"),
        (lambda f: f(KEY, step=None), TypeError, "an integer as step; got None"),
        (lambda f: f(1, step=KEY), TypeError, r"comes first: derive\(root, step=...\)"),
        (lambda f: f(KEY), TypeError, "step"),
        (lambda f: f(KEY, step=-1), ValueError, r"step in \[0, 2\*\*32\); got -1"),
        (lambda f: f(KEY, step=2**32), ValueError, "got 4294967296"),
        (lambda f: f(KEY, step=1.0), TypeError, "an integer as step; got 1.0"),
        (lambda f: f(KEY, step=True), TypeError, "an integer as step; got True"),
        (lambda f: f(KEY, step="1"), TypeError, "an integer as step; got '1'"),
        (lambda f: f(KEY, step=1, layer=0.5), TypeError, "an integer as layer; got 0.5"),
        (lambda f: f(KEY, step=1, microbatch=-2), ValueError, "microbatch in .* got -2"),
        (lambda f: f(KEY, step=jnp.arange(3)), ValueError, r"one step; got shape \(3,\)"),
        (lambda f: f(7, step=1), TypeError, "Expected a key; got 7"),
        (
            lambda f: f(jax.random.split(KEY), step=1),
            ValueError,
            r"one key; got keys of shape \(2,\)",
        ),
    ],
    "shard_key": [
        (lambda f: f("a", KEY), TypeError, r"first: shard_key\(key, axis_name\)"),
    ],
}
CASES = [pytest.param(name, *case, id=name) for name, cases in REFUSED.items() for case in cases]


@pytest.mark.parametrize(("name", "call", "error", "message"), CASES)
def test_what_is_refused_teaches(
    name: str, call: Callable[[Any], object], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        call(getattr(jaxdrop, name, None) or getattr(rates, name))


TIED = [
    lambda dims: j.alpha_dropout(KEY, X, 0.5, broadcast_dims=dims),
    lambda dims: j.gaussian_dropout(KEY, X, 0.5, broadcast_dims=dims),
    lambda dims: j.gaussian_noise(KEY, X, 0.5, broadcast_dims=dims),
    lambda dims: j.targeted_dropout(KEY, X, 0.5, target_share=0.5, broadcast_dims=dims),
    lambda dims: j.concrete_dropout(KEY, X, 0.0, broadcast_dims=dims),
    lambda dims: j.attention_dropout(KEY, X, 0.5, broadcast_dims=dims),
    lambda dims: j.keep_mask(KEY, 0.5, (2, 3), broadcast_dims=dims),
    lambda dims: j.complementary_masks(KEY, 0.5, (2, 3), broadcast_dims=dims),
]
WIDE = [
    lambda bits: j.dropout(KEY, X, 0.0, bits=bits),
    lambda bits: j.alpha_dropout(KEY, X, 0.5, bits=bits),
    lambda bits: j.keep_mask(KEY, 0.5, (2, 3), bits=bits),
    lambda bits: j.complementary_masks(KEY, 0.5, (2, 3), bits=bits),
    lambda bits: j.apply_mask(X > 0, X, 0.5, bits=bits),
    lambda bits: j.apply_mask(X > 0, X, 0.5, scale=False, bits=bits),
]


@pytest.mark.parametrize("call", TIED)
def test_one_axis_instead_of_a_sequence_is_named(call: Callable[[object], object]):
    with pytest.raises(TypeError, match=r"a sequence of axes as broadcast_dims; got 0\. "):
        call(0)


@pytest.mark.parametrize("call", WIDE)
@pytest.mark.parametrize("bits", [16.0, "16", True, 0, None])
def test_bits_are_one_of_three_integers(call: Callable[[object], object], bits: object):
    with pytest.raises(ValueError, match=f"Expected bits to be 8, 16 or 32; got {bits!r}"):
        call(bits)
