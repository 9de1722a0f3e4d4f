"""Concrete dropout against its definition, and a rate that is learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import print_saved_residuals
from jax.scipy.special import logit as logit_of

import jaxdrop
from jaxdrop.noise import uniforms

KEY = jax.random.key(8)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_concrete_dropout_it_is_the_papers_formula(rate: float, temperature: float):
    x = jax.random.normal(jax.random.key(1), (6, 50))
    u = np.asarray(uniforms(KEY, x, x.shape), np.float64)
    logits = np.log(rate) - np.log1p(-rate) + np.log(u) - np.log1p(-u)
    dropped = 1 / (1 + np.exp(-logits / temperature))
    y = jaxdrop.concrete_dropout(KEY, x, np.log(rate / (1 - rate)), temperature=temperature)
    np.testing.assert_allclose(y, x * (1 - dropped) / (1 - rate), rtol=2e-3, atol=1e-6)


def test_concrete_dropout_the_gradient_to_the_logit_is_that_of_differences():
    x = jax.random.normal(jax.random.key(2), (40,))

    @jax.jit
    def loss(logit: jax.Array) -> jax.Array:
        y = jaxdrop.concrete_dropout(KEY, x, logit, temperature=0.7)
        return jnp.square(y).mean()

    for logit in (-2.0, 0.0, 1.0):
        slope = (loss(jnp.float32(logit + 5e-3)) - loss(jnp.float32(logit - 5e-3))) / 1e-2
        np.testing.assert_allclose(jax.grad(loss)(logit), slope, rtol=1e-2)


def test_concrete_dropout_no_logit_gives_nan():
    x = jnp.ones(200)
    run = jax.jit(jax.value_and_grad(lambda logit: jaxdrop.concrete_dropout(KEY, x, logit).sum()))
    for logit in (-np.inf, -1e30, -90.0, -20.0, 20.0, 90.0, 1e30, np.inf):
        assert np.isfinite(run(logit)).all()


def test_concrete_dropout_as_the_temperature_falls_it_drops_or_keeps():
    y = jaxdrop.concrete_dropout(KEY, jnp.ones(2000), -1.0, temperature=1e-4)
    scale = 1 + np.exp(-1.0)
    soft = (y > 1e-3) & (y < 0.999 * scale)
    assert soft.mean() < 0.01
    np.testing.assert_allclose((y > 1).mean(), 1 / scale, atol=5 * np.sqrt(0.2 / 2000))


def test_concrete_dropout_backward_keeps_no_noise(capsys: pytest.CaptureFixture[str]):
    print_saved_residuals(jaxdrop.concrete_dropout, KEY, jnp.ones((5, 24)), 0.3)
    saved = {line.split(" from ")[-1].split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert {"key", "x", "logit"} <= saved
    assert len(saved) == 4  # and the temperature


def test_concrete_dropout_noise_can_be_shared_along_axes():
    y = jaxdrop.concrete_dropout(KEY, jnp.ones((5, 8)), jnp.zeros(8), broadcast_dims=(0,))
    np.testing.assert_array_equal(y, jnp.broadcast_to(y[:1], y.shape))


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_concrete_dropout_a_rate_is_recovered_from_the_moments_of_its_dropout(rate: float):
    """Gradient descent from rate 0.1; the temperature biases the estimate by about 0.02."""
    x = jnp.ones(4000)
    wanted = jnp.square(jaxdrop.dropout(jax.random.key(5), x, rate)).mean()

    def step(logit: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        def loss(logit: jax.Array) -> jax.Array:
            y = jaxdrop.concrete_dropout(key, x, logit)
            return jnp.square(jnp.log(jnp.square(y).mean() / wanted))

        return logit - 2 * jax.grad(loss)(logit), logit

    keys = jax.random.split(KEY, 200)
    _, path = jax.jit(lambda start: jax.lax.scan(step, start, keys))(logit_of(jnp.float32(0.1)))
    assert abs(jax.nn.sigmoid(path[-50:]).mean() - rate) < 0.04


def test_concrete_dropout_the_regularizer_is_the_closed_form():
    weights = {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3, jnp.bfloat16)}
    for rate in (0.1, 0.5, 0.9):
        entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
        price = jaxdrop.concrete_regularizer(
            logit_of(rate), weights, input_dim=7, weight_regularizer=0.01, dropout_regularizer=0.3
        )
        np.testing.assert_allclose(price, 0.01 * 58 / (1 - rate) - 0.3 * 7 * entropy, rtol=1e-5)


def test_concrete_dropout_the_regularizer_has_its_minimum_where_the_terms_balance():
    """Its derivative in p: c_w w^2 / (1 - p)^2 + c_d d log(p / (1 - p)), which 0.2 makes 0."""
    norm = 10 * np.log(4) * 0.8**2

    def price(logit: jax.Array) -> jax.Array:
        weights = jnp.sqrt(jnp.float32(norm))
        return jaxdrop.concrete_regularizer(
            logit, weights, input_dim=10, weight_regularizer=1.0, dropout_regularizer=1.0
        )

    at = logit_of(jnp.float32(0.2))
    assert abs(jax.grad(price)(at)) < 1e-4
    assert price(at) < min(price(at - 0.3), price(at + 0.3))
    for extreme in (-np.inf, np.inf):
        assert np.isfinite(jax.jit(price)(extreme))
