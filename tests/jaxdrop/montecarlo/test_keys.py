"""Whether results depend on their key is read from the program, through all that JAX can call."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.typing import ArrayLike

import jaxdrop
from jaxdrop import montecarlo

KEY = jax.random.key(3)
X = jnp.array([0.5, 1.0, -2.0, 1.5])


def linear(key, rate: ArrayLike = 0.3):
    return jaxdrop.dropout(key, X, rate).sum()


@jax.custom_jvp
def doubled_jvp(key, x):
    return 2 * x


@jax.custom_vjp
def doubled_vjp(key, x):
    return 2 * x


doubled_jvp.defjvp(lambda primals, tangents: (doubled_jvp(*primals), 2 * tangents[1]))
doubled_vjp.defvjp(lambda key, x: (2 * x, None), lambda _, slope: (None, 2 * slope))


def both(key, x):
    """A part that depends on the key, and one that does not."""
    return jaxdrop.dropout(key, x, 0.5), 2 * x


def step(carry, _):
    key, noisy, quiet = carry
    return (jax.random.fold_in(key, 1), noisy + jax.random.normal(key, X.shape), quiet + 1), None


def scanned(key):
    return lax.scan(step, (key, X, X), length=3)[0]


def repeated(key):
    return lax.while_loop(
        lambda carry: carry[2][0] < 3, lambda carry: step(carry, 0)[0], (key, X, X)
    )


BLIND = {
    "function": lambda key: 2 * X,
    "another key": lambda key: linear(jax.random.key(0)),
    "rate 0": partial(linear, rate=0.0),
    "rates 0": lambda key: jaxdrop.dropout(key, X, np.zeros(4)),
    "jit": jax.jit(lambda key: jax.jit(both)(key, X)[1]),
    "remat": lambda key: jax.checkpoint(both)(key, X)[1],
    "scan": lambda key: scanned(key)[2],
    "while": lambda key: repeated(key)[2],
    "cond": lambda key: lax.cond(X[0] > 0, both, both, key, X)[1],
    "jvp": lambda key: doubled_jvp(key, X),
    "vjp": jax.jit(lambda key: doubled_vjp(key, X)),
    "tree": lambda key: {"a": X, "b": (1.0, None)},
}
SEEING = {
    "rate 2e-5": partial(linear, rate=2e-5),
    "traced rate": lambda key: jax.jit(linear)(key, 0.0),
    "1e7": lambda key: 1e7 + jax.random.normal(key),
    "jit": jax.jit(lambda key: jax.jit(both)(key, X)[0]),
    "remat": lambda key: jax.checkpoint(both)(key, X)[0],
    "scan": lambda key: scanned(key)[1],
    "while": lambda key: repeated(key)[1],
    "how often": lambda key: lax.fori_loop(
        0, jax.random.randint(key, (), 0, 2), lambda _, x: x + 1, X
    ),
    "cond": lambda key: lax.cond(X[0] > 0, both, both, key, X)[0],
    "which": lambda key: lax.cond(jax.random.bernoulli(key), lambda: X, lambda: X + 1),
    "gradient": lambda key: jax.grad(lambda x: jaxdrop.dropout(key, x, 0.5).sum())(X),
    "a part": lambda key: both(key, X),
}


@pytest.mark.parametrize("draw", [montecarlo.sample, montecarlo.moments])
@pytest.mark.parametrize("predict", BLIND.values(), ids=BLIND)
def test_results_that_do_not_depend_on_the_key_are_refused(draw, predict):
    with pytest.raises(
        ValueError, match=r"Expected predictions that depend on their key.*no dropout"
    ):
        draw(KEY, predict, 3)
    with pytest.raises(ValueError, match="Expected predictions that depend on their key"):
        jax.jit(lambda key: draw(key, predict, 3, chunk=2))(KEY)


@pytest.mark.parametrize("draw", [montecarlo.sample, montecarlo.moments])
@pytest.mark.parametrize("predict", SEEING.values(), ids=SEEING)
def test_results_that_depend_on_the_key_are_taken(draw, predict):
    jax.eval_shape(lambda key: draw(key, predict, 3, chunk=2), KEY)  # the program tells
