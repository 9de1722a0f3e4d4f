"""Concrete dropout against its definition, and a rate that is learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import print_saved_residuals

import jaxdrop
from jaxdrop.noise import uniforms
from tests.jaxdrop.arrays import normal, ones

KEY = jax.random.key(8)


def logit_of(rate: float) -> np.float32:
    return np.float32(np.log(rate / (1 - rate)))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_concrete_dropout_it_is_the_papers_formula(rate: float, temperature: float):
    x = normal(1, 6, 50)
    u = np.asarray(uniforms(KEY, x, x.shape), np.float64)
    logits = np.log(rate) - np.log1p(-rate) + np.log(u) - np.log1p(-u)
    dropped = 1 / (1 + np.exp(-logits / temperature))
    y = jaxdrop.concrete_dropout(KEY, x, np.log(rate / (1 - rate)), temperature=temperature)
    np.testing.assert_allclose(y, np.asarray(x) * (1 - dropped) / (1 - rate), rtol=2e-3, atol=1e-6)


def test_concrete_dropout_the_gradient_to_the_logit_is_that_of_differences():
    x = normal(2, 40)

    @jax.jit
    @jax.value_and_grad
    def loss(logit: jax.Array) -> jax.Array:
        y = jaxdrop.concrete_dropout(KEY, x, logit, temperature=0.7)
        return jnp.square(y).mean()

    for logit in (-2.0, 0.0, 1.0):
        low, at, high = (loss(np.float32(logit + step)) for step in (-5e-3, 0, 5e-3))
        slope = (np.asarray(high[0]) - np.asarray(low[0])) / 1e-2
        np.testing.assert_allclose(at[1], slope, rtol=1e-2)


def test_concrete_dropout_no_logit_gives_nan():
    x = ones(200)
    run = jax.jit(jax.value_and_grad(lambda logit: jaxdrop.concrete_dropout(KEY, x, logit).sum()))
    for logit in (-np.inf, -1e30, -90.0, -20.0, 20.0, 90.0, 1e30, np.inf):
        assert np.isfinite(run(logit)).all()


def test_concrete_dropout_as_the_temperature_falls_it_drops_or_keeps():
    x = ones(2000)
    y = np.asarray(jaxdrop.concrete_dropout(KEY, x, -1.0, temperature=1e-4))
    scale = 1 + np.exp(-1.0)
    soft = (y > 1e-3) & (y < 0.999 * scale)
    assert soft.mean() < 0.01
    np.testing.assert_allclose((y > 1).mean(), 1 / scale, atol=5 * np.sqrt(0.2 / 2000))


def test_concrete_dropout_backward_keeps_no_noise(capsys: pytest.CaptureFixture[str]):
    print_saved_residuals(jaxdrop.concrete_dropout, KEY, ones(5, 24), 0.3)
    saved = {line.split(" from ")[-1].split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert {"key", "x", "logit"} <= saved
    assert len(saved) == 4  # and the temperature


def test_concrete_dropout_noise_can_be_shared_along_axes():
    x = ones(5, 8)
    y = np.asarray(jaxdrop.concrete_dropout(KEY, x, np.zeros(8, "f4"), broadcast_dims=(0,)))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:1], y.shape))


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_concrete_dropout_a_rate_is_recovered_from_the_moments_of_its_dropout(rate: float):
    """Gradient descent from rate 0.1; the temperature biases the estimate by about 0.02."""
    x = ones(4000)
    wanted = np.square(jaxdrop.dropout(jax.random.key(5), x, rate)).mean()

    def step(logit: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        def loss(logit: jax.Array) -> jax.Array:
            y = jaxdrop.concrete_dropout(key, x, logit)
            return jnp.square(jnp.log(jnp.square(y).mean() / wanted))

        return logit - 2 * jax.grad(loss)(logit), logit

    keys = jax.random.split(KEY, 200)
    _, path = jax.jit(lambda start: jax.lax.scan(step, start, keys))(logit_of(0.1))
    assert abs((1 / (1 + np.exp(-np.asarray(path)[-50:]))).mean() - rate) < 0.04


def test_concrete_dropout_the_regularizer_is_the_closed_form():
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    weights = {"kernel": kernel, "bias": np.ones(3, jnp.bfloat16)}
    for rate in (0.1, 0.5, 0.9):
        entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
        price = jaxdrop.concrete_regularizer(
            logit_of(rate), weights, input_dim=7, weight_regularizer=0.01, dropout_regularizer=0.3
        )
        np.testing.assert_allclose(price, 0.01 * 58 / (1 - rate) - 0.3 * 7 * entropy, rtol=1e-5)


def test_concrete_dropout_the_regularizer_has_its_minimum_where_the_terms_balance():
    """Its derivative in p: c_w w^2 / (1 - p)^2 + c_d d log(p / (1 - p)), which 0.2 makes 0."""
    norm = 10 * np.log(4) * 0.8**2

    @jax.jit
    @jax.value_and_grad
    def price(logit: jax.Array) -> jax.Array:
        weights = jnp.sqrt(jnp.float32(norm))
        return jaxdrop.concrete_regularizer(
            logit, weights, input_dim=10, weight_regularizer=1.0, dropout_regularizer=1.0
        )

    at = logit_of(0.2)
    (low, _), (least, slope), (high, _) = (price(at + np.float32(d)) for d in (-0.3, 0, 0.3))
    assert abs(slope) < 1e-4
    assert least < min(low, high)
    for extreme in (-np.inf, np.inf):
        assert np.isfinite(price(np.float32(extreme))[0])
