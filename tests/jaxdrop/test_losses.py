"""R-Drop's loss against closed forms."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

LOSS = jax.jit(jaxdrop.r_drop_loss)
SLOPES = jax.jit(jax.grad(lambda a, b: jaxdrop.r_drop_loss(a, b).sum(), (0, 1)))
A, B = np.random.default_rng(11).normal(size=(2, 4, 10)).astype(np.float32)


def without(logits: np.ndarray, absent: Sequence[int]) -> np.ndarray:
    """The logits with classes that are absent."""
    return np.where(np.isin(np.arange(10), absent), -np.inf, logits).astype(logits.dtype)


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.25), (0.1, 0.9), (0.999, 0.5)])
def test_r_drop_loss_two_bernoulli_distributions(p: float, q: float):
    """Half the sum of both divergences is (p - q) (logit p - logit q) / 2."""
    logits = [np.log(np.array([share, 1 - share], np.float32)) + 3 for share in (p, q)]
    expected = (p - q) * (math.log(p / (1 - p)) - math.log(q / (1 - q))) / 2
    np.testing.assert_allclose(LOSS(*logits), expected, rtol=1e-4)


def test_r_drop_loss_it_is_half_the_sum_of_both_divergences():
    a, b = A.reshape(2, 2, 10), B.reshape(2, 2, 10)
    p, q = (each / each.sum(-1, keepdims=True) for each in np.exp([a, b], dtype=float))
    both = (p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1)
    np.testing.assert_allclose(LOSS(a, b), both / 2, rtol=1e-4)


def test_r_drop_loss_equal_distributions_agree():
    np.testing.assert_allclose(LOSS(A, A + 2), np.zeros(4), atol=1e-6)
    np.testing.assert_array_equal(LOSS(A, A), np.zeros(4))
    loss = lambda a: jaxdrop.r_drop_loss(a, jax.lax.stop_gradient(a))  # noqa: E731
    bend = jax.jit(jax.hessian(loss))(A[0])
    p = np.exp(A[0]) / np.exp(A[0]).sum()
    np.testing.assert_allclose(bend, np.diag(p) - np.outer(p, p), atol=1e-6)


def test_r_drop_loss_gradients_flow_to_both_passes():
    to_a, to_b = SLOPES(A, B)
    assert np.all(to_a)
    np.testing.assert_allclose(to_b, SLOPES(B, A)[0], rtol=1e-5, atol=1e-7)


def test_r_drop_loss_a_class_that_is_absent_from_both_adds_nothing():
    a, b = without(A, [3]), without(B, [3])
    fewer = [np.delete(logits, 3, -1) for logits in (a, b)]
    np.testing.assert_allclose(LOSS(a, b), LOSS(*fewer), rtol=1e-6)
    assert np.isfinite(SLOPES(a, b)).all()


@pytest.mark.parametrize(
    ("absent", "dtype"),
    [([3], "float32"), ([0, 1, 5], "bfloat16"), (range(9), "float32"), (range(10), "bfloat16")],
)
def test_r_drop_loss_absent_classes_make_no_nan_on_the_way(absent: Sequence[int], dtype: str):
    a, b = (jax.device_put(without(logits.astype(dtype), absent)) for logits in (A, B))
    with jax.debug_nans(True):
        loss = np.asarray(jaxdrop.r_drop_loss(a, b))
        both = jax.jit(jax.grad(lambda a, b: jaxdrop.r_drop_loss(a, b).sum(), (0, 1)))
        slope = np.asarray(both(a, b)[0])
    assert (loss >= 0).all()
    assert (slope[:, list(absent)] == 0).all()
    assert ((loss > 0) == (len(absent) < 9)).all()


def test_r_drop_loss_a_class_that_is_absent_from_one_is_infinitely_far():
    with jax.debug_nans(True):
        assert np.isposinf(jaxdrop.r_drop_loss(*jax.device_put((without(A, [3]), B)))).all()


def test_r_drop_loss_complex_logits_are_refused():
    with pytest.raises(TypeError, match="Expected real floating-point data; got complex64"):
        jaxdrop.r_drop_loss(jnp.ones(3, complex), jnp.ones(3, complex))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_r_drop_loss_the_dtype_stays_and_the_sum_is_taken_in_float32(dtype: str):
    a, b = np.random.default_rng(1).normal(size=(2, 4, 100)).astype(jnp.dtype(dtype))
    loss = LOSS(a, b)
    assert loss.dtype == jnp.dtype(dtype)
    wide = np.asarray(LOSS(a.astype(np.float32), b.astype(np.float32)))
    np.testing.assert_array_equal(loss, wide.astype(dtype))
