"""Both conventions agree in expectation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(17)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_classical_inference_the_conventions_agree_in_expectation(rate: float):
    """18 means of 20,000 at 5 standard errors: a false alarm in 2e-5 of fresh keys."""
    x, keys = jnp.array([1.0, -2.0, 3.0]), jax.random.split(KEY, 20_000)
    for scale, inference in [(True, x), (False, jaxdrop.classical_inference(x, rate))]:
        drop = jax.jit(jax.vmap(lambda key, s=scale: jaxdrop.dropout(key, x, rate, scale=s)))
        samples = np.asarray(drop(keys))
        error = np.abs(samples.mean(0) - inference) / (samples.std(0) / np.sqrt(len(keys)))
        assert error.max() < 5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
def test_classical_inference_inference_multiplies_by_what_is_kept(dtype: str):
    x = jnp.array([1.0, -2.5, 300.0]).astype(dtype)
    for inference in (jaxdrop.classical_inference, jax.jit(jaxdrop.classical_inference)):
        y = inference(x, 0.1)
        assert y.dtype == x.dtype
        wide = np.asarray(x, np.complex64 if dtype == "complex64" else np.float32)
        np.testing.assert_array_equal(y, jnp.asarray(wide * np.float32(0.9)).astype(dtype))


def test_classical_inference_inference_at_0_and_1_and_out_of_range():
    x, inference = jnp.array([1e-40, jnp.inf, jnp.nan, 2.0]), jax.jit(jaxdrop.classical_inference)
    for rate in (0.0, -1.0):
        assert np.asarray(inference(x, rate)).tobytes() == np.asarray(x).tobytes()
    for rate in (1.0, 2.0, jnp.nan):
        np.testing.assert_array_equal(inference(x, rate), jnp.zeros(4))
    y = jaxdrop.classical_inference(jnp.ones((2, 3)), jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(y, jnp.array([[1, 0.5, 0]] * 2))


def test_classical_inference_a_mask_replays_in_the_classical_convention():
    x = jax.random.normal(jax.random.key(1), (5, 24))
    mask = jaxdrop.keep_mask(KEY, 0.3, x.shape)
    np.testing.assert_array_equal(
        jaxdrop.apply_mask(mask, x, 0.3, scale=False), jaxdrop.dropout(KEY, x, 0.3, scale=False)
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.9])
def test_the_scale_has_the_digits_of_float32(rate: float, bits: int):
    share = np.float32(round((1 - rate) * 2**bits) / 2**bits)
    y = np.asarray(jaxdrop.dropout(KEY, jnp.ones(256), rate, bits=bits))
    assert set(y[y != 0].tolist()) == {(np.float32(1) / share).item()}
