"""Bad input to units, noise, ranks and the learned rate: (call, exception, message)."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

import jaxdrop

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY)
X = jnp.ones((2, 4, 3))
INTEGERS = jnp.ones((2, 4, 3), jnp.int32)
COMPLEX = X.astype(jnp.complex64)
BOOL = jnp.ones((4,), bool)


def price(**changes: object) -> object:
    """The regulariser with one argument changed."""
    arguments = {"input_dim": 3, "weight_regularizer": 1.0, "dropout_regularizer": 1.0}
    given = {"logit": 0.0, "weights": X, **arguments, **changes}
    return jaxdrop.concrete_regularizer(**given)  # pyright: ignore[reportArgumentType]


j = jaxdrop
Case = tuple[Callable[[], object], type[Exception], str]
CASES: dict[str, Case] = {
    "dropout: bits that are no integer": (
        lambda: j.dropout(KEY, X, 0.5, bits=16.0),  # type: ignore
        ValueError,
        "Expected bits to be 8, 16 or 32; got 16.0.",
    ),
    "dropout: one axis instead of a sequence": (
        lambda: j.dropout(KEY, X, 0.5, broadcast_dims=0),  # type: ignore
        TypeError,
        "Expected a sequence of axes as broadcast_dims; got 0.",
    ),
    "dropout: no data": (
        lambda: j.dropout(KEY, None, 0.5),  # type: ignore
        TypeError,
        "Expected floating-point data; got None.",
    ),
    "keep_mask: the rate first": (
        lambda: j.keep_mask(0.5, KEY, (2,)),  # type: ignore
        TypeError,
        "Expected a key; got 0.5. The key comes first: keep_mask(key, rate, shape).",
    ),
    "complementary: the shape first": (
        lambda: j.complementary_masks((2,), 0.5, KEY),  # type: ignore
        TypeError,
        "Expected a key; got (2,). The key comes first: complementary_masks(key, rate, shape).",
    ),
    "concrete: the data first": (
        lambda: j.concrete_dropout(X, KEY, 0.0),  # type: ignore
        TypeError,
        "The key comes first: concrete_dropout(key, x, logit).",
    ),
    "concrete: a key as the logit": (
        lambda: j.concrete_dropout(KEY, X, KEY),
        TypeError,
        "Expected a real number or an array of them as logit; got a key.",
    ),
    "dropout: a legacy key as the rate": (
        lambda: j.dropout(KEY, X, jax.random.PRNGKey(0)),
        TypeError,
        "got uint32 of shape (2,), like a legacy key. The key comes first",
    ),
    "dropout: a legacy key of three words": (
        lambda: j.dropout(jnp.zeros(3, jnp.uint32), X, 0.5),
        ValueError,
        "Expected a key; got uint32 of shape (3,). A legacy key has shape (2,)",
    ),
    "apply_mask: no mask": (
        lambda: j.apply_mask(None, X, 0.5),  # type: ignore
        TypeError,
        "Expected a bool mask, True where kept; got None. Draw one with keep_mask.",
    ),
    "apply_mask: a word": (
        lambda: j.apply_mask("a", X, 0.5),  # type: ignore
        TypeError,
        "Expected a bool mask, True where kept; got 'a'. Draw one with keep_mask.",
    ),
    "spatial: no data": (
        lambda: j.spatial_dropout(KEY, None, 0.5),  # type: ignore
        TypeError,
        "Expected floating-point data; got None.",
    ),
    "feature alpha: a word": (
        lambda: j.feature_alpha_dropout(KEY, "a", 0.5),  # type: ignore
        TypeError,
        "Expected floating-point data; got 'a'.",
    ),
    "keep_mask: sizes that are no integers": (
        lambda: j.keep_mask(KEY, 0.5, (2, 2.5)),  # type: ignore
        TypeError,
        "Expected a shape, one integer or a sequence of them; got (2, 2.5).",
    ),
    "keep_mask: a shape by name": (
        lambda: j.keep_mask(KEY, 0.5, "ab"),  # type: ignore
        TypeError,
        "Expected a shape, one integer or a sequence of them; got 'ab'.",
    ),
    "spatial: no such channels": (
        lambda: j.spatial_dropout(KEY, X, 0.5, channel_dim=3),
        ValueError,
        "Expected channel_dim among the 3 axes of shape (2, 4, 3); got 3.",
    ),
    "spatial: no such batch": (
        lambda: j.spatial_dropout(KEY, X, 0.5, batch_dim=-4),
        ValueError,
        "Expected batch_dim among the 3 axes of shape (2, 4, 3); got -4.",
    ),
    "spatial: one axis twice": (
        lambda: j.spatial_dropout(KEY, X, 0.5, channel_dim=-3),
        ValueError,
        "Expected channel_dim apart from batch_dim; got axis 0 of shape (2, 4, 3) in both.",
    ),
    "spatial: a vector has no batch beside its channels": (
        lambda: j.spatial_dropout(KEY, jnp.ones(4), 0.5),
        ValueError,
        "Expected channel_dim apart from batch_dim; got axis 0",
    ),
    "spatial: an axis by name": (
        lambda: j.spatial_dropout(KEY, X, 0.5, channel_dim="c"),  # type: ignore
        TypeError,
        "Expected an integer as channel_dim; got 'c'.",
    ),
    "spatial: a rate for each pixel": (
        lambda: j.spatial_dropout(KEY, X, jnp.full((4, 1), 0.5)),
        ValueError,
        "Expected a rate that broadcasts to the drawn shape (tied axes are 1) (2, 1, 3)",
    ),
    "spatial: integers": (
        lambda: j.spatial_dropout(KEY, INTEGERS, 0.5),
        TypeError,
        "Expected floating-point data; got int32.",
    ),
    "alpha: complex": (
        lambda: j.alpha_dropout(KEY, COMPLEX, 0.5),
        TypeError,
        "Expected real floating-point data; got complex64.",
    ),
    "alpha: rate above 1": (
        lambda: j.alpha_dropout(KEY, X, 1.5),
        ValueError,
        "Expected a rate in [0, 1]; got 1.5.",
    ),
    "alpha: bits": (
        lambda: j.alpha_dropout(KEY, X, 0.5, bits=4),
        ValueError,
        "Expected bits to be 8, 16 or 32; got 4.",
    ),
    "alpha: tied axes": (
        lambda: j.alpha_dropout(KEY, X, 0.5, broadcast_dims=(5,)),
        ValueError,
        "Expected broadcast_dims among the 3 axes",
    ),
    "feature alpha: one axis twice": (
        lambda: j.feature_alpha_dropout(KEY, X, 0.5, batch_dim=2),
        ValueError,
        "Expected channel_dim apart from batch_dim",
    ),
    "feature alpha: no key": (
        lambda: j.feature_alpha_dropout(0, X, 0.5),  # type: ignore
        TypeError,
        "Expected a key; got 0.",
    ),
    "gaussian: rate 1": (
        lambda: j.gaussian_dropout(KEY, X, 1.0),
        ValueError,
        "Expected a rate below 1; got 1. The variance rate / (1 - rate) has no bound there",
    ),
    "gaussian: rate 1 among others": (
        lambda: j.gaussian_dropout(KEY, X, jnp.array([0.0, 0.5, 1.0])),
        ValueError,
        "Expected a rate below 1; got 1.",
    ),
    "gaussian: complex": (
        lambda: j.gaussian_dropout(KEY, COMPLEX, 0.5),
        TypeError,
        "Expected real floating-point data; got complex64.",
    ),
    "gaussian: keys": (
        lambda: j.gaussian_dropout(KEYS, X, 0.5),
        ValueError,
        "Expected one key; got keys of shape (2,).",
    ),
    "noise: negative": (
        lambda: j.gaussian_noise(KEY, X, -1.0),
        ValueError,
        "Expected a stddev in [0, inf); got -1.0.",
    ),
    "noise: infinite": (
        lambda: j.gaussian_noise(KEY, X, float("inf")),
        ValueError,
        "Expected a stddev in [0, inf); got inf.",
    ),
    "noise: a word": (
        lambda: j.gaussian_noise(KEY, X, "loud"),  # type: ignore
        TypeError,
        "Expected a real number or an array of them as stddev; got 'loud'.",
    ),
    "noise: a stddev that does not broadcast": (
        lambda: j.gaussian_noise(KEY, X, jnp.ones(2)),
        ValueError,
        "Expected a stddev that broadcasts",
    ),
    "noise: integers": (
        lambda: j.gaussian_noise(KEY, INTEGERS, 1.0),
        TypeError,
        "Expected floating-point data; got int32.",
    ),
    "exact: a scalar": (
        lambda: j.exact_dropout(KEY, 1.0, 0.5),  # type: ignore
        ValueError,
        "Expected axis among the 0 axes of shape (); got -1.",
    ),
    "exact: no such axis": (
        lambda: j.exact_dropout(KEY, X, 0.5, axis=3),
        ValueError,
        "Expected axis among the 3 axes of shape (2, 4, 3); got 3.",
    ),
    "exact: two axes": (
        lambda: j.exact_dropout(KEY, X, 0.5, axis=(0, 1)),  # type: ignore
        TypeError,
        "Expected an integer as axis; got (0, 1).",
    ),
    "exact: rates along the axis": (
        lambda: j.exact_dropout(KEY, X, jnp.full(3, 0.5)),
        ValueError,
        "Expected a rate that broadcasts to the drawn shape (tied axes are 1) (2, 4, 1)",
    ),
    "exact: rate NaN": (
        lambda: j.exact_dropout(KEY, X, float("nan")),
        ValueError,
        "Expected a rate in [0, 1]; got nan.",
    ),
    "complementary: negative size": (
        lambda: j.complementary_masks(KEY, 0.5, (2, -1)),
        ValueError,
        "Expected a shape of sizes 0 or more; got (2, -1).",
    ),
    "complementary: no rate": (
        lambda: j.complementary_masks(KEY, None, (2,)),  # type: ignore
        TypeError,
        "Expected a real number or an array of them as rate; got None.",
    ),
    "complementary: no key": (
        lambda: j.complementary_masks(jnp.zeros(2), 0.5, (2,)),
        TypeError,
        "Expected a key; got an array of float32.",
    ),
    "complementary: bits": (
        lambda: j.complementary_masks(KEY, 0.5, (2,), bits=64),
        ValueError,
        "Expected bits to be 8, 16 or 32; got 64.",
    ),
    "targeted: a share in percent": (
        lambda: j.targeted_dropout(KEY, X, 0.5, target_share=50),
        ValueError,
        "Expected a target_share in [0, 1]; got 50.0.",
    ),
    "targeted: shares": (
        lambda: j.targeted_dropout(KEY, X, 0.5, target_share=jnp.ones(3)),
        ValueError,
        "Expected one number as target_share; got shape (3,).",
    ),
    "targeted: an axis inside the unit": (
        lambda: j.targeted_dropout(KEY, X, 0.5, target_share=0.5, broadcast_dims=(0, 2)),
        ValueError,
        "Expected axis apart from broadcast_dims; got axis 2",
    ),
    "targeted: no such axis": (
        lambda: j.targeted_dropout(KEY, X, 0.5, target_share=0.5, axis=7),
        ValueError,
        "Expected axis among the 3 axes",
    ),
    "targeted: rate": (
        lambda: j.targeted_dropout(KEY, X, -0.1, target_share=0.5),
        ValueError,
        "Expected a rate in [0, 1]; got -0.1.",
    ),
    "targeted: bool data": (
        lambda: j.targeted_dropout(KEY, BOOL, 0.1, target_share=0.5),
        TypeError,
        "Expected floating-point data; got bool.",
    ),
    "concrete: NaN": (
        lambda: j.concrete_dropout(KEY, X, float("nan")),
        ValueError,
        "Expected a logit that is no NaN; got nan.",
    ),
    "concrete: a word": (
        lambda: j.concrete_dropout(KEY, X, "0"),  # type: ignore
        TypeError,
        "Expected a real number or an array of them as logit; got '0'.",
    ),
    "concrete: logits that do not broadcast": (
        lambda: j.concrete_dropout(KEY, X, jnp.zeros(4)),
        ValueError,
        "Expected a logit that broadcasts",
    ),
    "concrete: temperature 0": (
        lambda: j.concrete_dropout(KEY, X, 0.0, temperature=0),
        ValueError,
        "Expected a temperature above 0; got 0.0.",
    ),
    "concrete: complex": (
        lambda: j.concrete_dropout(KEY, COMPLEX, 0.0),
        TypeError,
        "Expected real floating-point data; got complex64.",
    ),
    "regularizer: logits": (
        lambda: price(logit=jnp.zeros(3)),
        ValueError,
        "Expected one number as logit; got shape (3,).",
    ),
    "regularizer: coefficient": (
        lambda: price(dropout_regularizer=-1.0),
        ValueError,
        "Expected a dropout_regularizer above 0; got -1.0.",
    ),
    "regularizer: no inputs": (
        lambda: price(input_dim=0),
        ValueError,
        "Expected an input_dim above 0; got 0.0.",
    ),
    "regularizer: integer weights": (
        lambda: price(weights=[X, INTEGERS]),
        TypeError,
        "Expected floating-point data; got int32.",
    ),
    "classical: rate": (
        lambda: j.classical_inference(X, 2),
        ValueError,
        "Expected a rate in [0, 1]; got 2.0.",
    ),
    "classical: rates that do not broadcast": (
        lambda: j.classical_inference(X, jnp.full(4, 0.5)),
        ValueError,
        "Expected a rate that broadcasts",
    ),
    "classical: integers": (
        lambda: j.classical_inference(INTEGERS, 0.5),
        TypeError,
        "Expected floating-point data; got int32.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_with_a_message_that_teaches(name: str):
    call, exception, message = CASES[name]
    with pytest.raises(exception, match=re.escape(message)):
        call()


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
