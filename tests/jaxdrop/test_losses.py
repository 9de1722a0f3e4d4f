"""R-Drop's loss against closed forms."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop

KEY = jax.random.key(11)


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.25), (0.1, 0.9), (0.999, 0.5)])
def test_r_drop_loss_two_bernoulli_distributions(p: float, q: float):
    """Half the sum of both divergences is (p - q) (logit p - logit q) / 2."""
    logits = [jnp.log(jnp.array([share, 1 - share])) + 3 for share in (p, q)]
    expected = (p - q) * (math.log(p / (1 - p)) - math.log(q / (1 - q))) / 2
    np.testing.assert_allclose(jaxdrop.r_drop_loss(*logits), expected, rtol=1e-4)


def test_r_drop_loss_it_is_half_the_sum_of_both_divergences():
    a, b = jax.random.normal(KEY, (2, 4, 3, 10))
    p, q = (np.asarray(jax.nn.softmax(logits), np.float64) for logits in (a, b))
    both = (p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1)
    np.testing.assert_allclose(jaxdrop.r_drop_loss(a, b), both / 2, rtol=1e-4)


def test_r_drop_loss_equal_distributions_agree():
    a = jax.random.normal(KEY, (4, 10))
    np.testing.assert_allclose(jaxdrop.r_drop_loss(a, a + 2), np.zeros(4), atol=1e-6)
    np.testing.assert_array_equal(jaxdrop.r_drop_loss(a, a), jnp.zeros(4))
    loss = lambda a: jaxdrop.r_drop_loss(a, jax.lax.stop_gradient(a))  # noqa: E731
    bend = jax.jit(jax.hessian(loss))(a[0])
    p = jax.nn.softmax(a[0])
    np.testing.assert_allclose(bend, jnp.diag(p) - jnp.outer(p, p), atol=1e-6)


def test_r_drop_loss_gradients_flow_to_both_passes():
    a, b = jax.random.normal(KEY, (2, 10))
    to_a, to_b = jax.grad(jaxdrop.r_drop_loss, argnums=(0, 1))(a, b)
    assert (to_a != 0).all()
    swapped = jax.grad(jaxdrop.r_drop_loss)(b, a)
    np.testing.assert_allclose(to_b, swapped, rtol=1e-5, atol=1e-7)


def test_r_drop_loss_a_class_that_is_absent_from_both_adds_nothing():
    a, b = jax.random.normal(KEY, (2, 10))
    a, b = a.at[3].set(-jnp.inf), b.at[3].set(-jnp.inf)
    without = [jnp.delete(logits, 3) for logits in (a, b)]
    np.testing.assert_allclose(jaxdrop.r_drop_loss(a, b), jaxdrop.r_drop_loss(*without), rtol=1e-6)
    assert jnp.isfinite(jax.grad(jaxdrop.r_drop_loss)(a, b)).all()


@pytest.mark.parametrize(
    ("absent", "dtype"),
    [([3], "float32"), ([0, 1, 5], "bfloat16"), (range(9), "float32"), (range(10), "bfloat16")],
)
def test_r_drop_loss_absent_classes_make_no_nan_on_the_way(absent: Sequence[int], dtype: str):
    a, b = jax.random.normal(KEY, (2, 4, 10)).astype(dtype)
    a, b = (logits.at[:, jnp.array(absent)].set(-jnp.inf) for logits in (a, b))
    with jax.debug_nans(True):
        loss = jaxdrop.r_drop_loss(a, b)
        both = jax.jit(jax.grad(lambda a, b: jaxdrop.r_drop_loss(a, b).sum(), (0, 1)))
        slope, _ = both(a, b)
    assert (loss >= 0).all()
    assert (slope[:, jnp.array(absent)] == 0).all()
    assert ((loss > 0) == (len(absent) < 9)).all()


def test_r_drop_loss_a_class_that_is_absent_from_one_is_infinitely_far():
    a, b = jax.random.normal(KEY, (2, 10))
    with jax.debug_nans(True):
        assert jnp.isposinf(jaxdrop.r_drop_loss(a.at[3].set(-jnp.inf), b))


def test_r_drop_loss_complex_logits_are_refused():
    with pytest.raises(TypeError, match="Expected real floating-point data; got complex64"):
        jaxdrop.r_drop_loss(jnp.ones(3, complex), jnp.ones(3, complex))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_r_drop_loss_the_dtype_stays_and_the_sum_is_taken_in_float32(dtype: str):
    a, b = jax.random.normal(KEY, (2, 4, 100)).astype(dtype)
    loss = jaxdrop.r_drop_loss(a, b)
    assert loss.dtype == jnp.dtype(dtype)
    wide = jaxdrop.r_drop_loss(a.astype(jnp.float32), b.astype(jnp.float32))
    np.testing.assert_array_equal(loss, wide.astype(dtype))
