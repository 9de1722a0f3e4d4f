"""Token dropout: masked and removed."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import print_saved_residuals

import jaxdrop
from tests.jaxdrop.arrays import normal, ones

KEY = jax.random.key(9)
ONES = ones(6, 17, 3)
NUMBERED = jax.device_put(np.asarray(ONES) * np.arange(1, 18, dtype=np.float32)[:, None])


def removed(rate: float, keep_first: int = 0, x: jax.Array = NUMBERED) -> jax.Array:
    return jaxdrop.token_dropout(KEY, x, rate, keep_first=keep_first, mode="remove")


def test_token_dropout_a_token_is_dropped_whole():
    y = np.asarray(jaxdrop.token_dropout(KEY, ONES, 0.5))
    assert set(np.unique(y)) == {0.0, 2.0}
    np.testing.assert_array_equal(y.min(2), y.max(2))
    assert (y[0] != y[1]).any()


@pytest.mark.parametrize("rate", [0.5, 1.0, jnp.float32(0.5)])
def test_token_dropout_the_first_tokens_stay_as_they_are(rate: float):
    y = np.asarray(jaxdrop.token_dropout(KEY, NUMBERED, rate, keep_first=2))
    np.testing.assert_array_equal(y[:, :2], NUMBERED[:, :2])
    alone = jaxdrop.token_dropout(KEY, NUMBERED, rate)
    np.testing.assert_array_equal(y[:, 2:], np.asarray(alone)[:, 2:])


@pytest.mark.parametrize(
    ("rate", "keep_first", "kept"),
    [(0, 0, 17), (0.5, 0, 9), (0.5, 1, 9), (0.25, 1, 13), (0.9, 7, 8), (0.99, 0, 1), (1.0, 2, 2)],
)
def test_token_dropout_the_count_is_static_and_exact(rate: float, keep_first: int, kept: int):
    for run in (removed, jax.jit(removed, static_argnums=(0, 1))):
        y = np.asarray(run(rate, keep_first))
        assert y.shape == (6, kept, 3)
        assert (np.diff(y[..., 0]) > 0).all()
        assert set(np.unique(y)) <= set(range(1, 18))
        np.testing.assert_array_equal(y[:, :keep_first], NUMBERED[:, :keep_first])


def test_token_dropout_each_sequence_loses_its_own_tokens_under_vmap_too():
    y = np.asarray(removed(0.5))[..., 0]
    assert len(np.unique(y, axis=0)) == 6
    keys = jax.random.split(KEY, 6)

    def one(key: jax.Array) -> jax.Array:
        return jaxdrop.token_dropout(key, NUMBERED[0], 0.5, mode="remove")

    np.testing.assert_array_equal(jax.jit(jax.vmap(one))(keys), [one(key) for key in keys])


def test_token_dropout_every_token_is_kept_equally_often():
    """At z = 5 over 16 comparisons a correct implementation fails with probability 9.2e-6."""
    x = np.broadcast_to(np.arange(16, dtype=np.float32)[:, None], (4096, 16, 1))
    y = np.asarray(removed(0.75, x=jax.device_put(x))).astype(int)
    share = np.bincount(y.ravel(), minlength=16) / 4096
    assert (np.abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4096)).all()


def test_token_dropout_what_belongs_to_the_tokens_goes_with_them():
    x = normal(9, 6, 17, 5)
    places = np.asarray(removed(0.5), int)[..., :1] - 1
    np.testing.assert_array_equal(removed(0.5, x=x), np.take_along_axis(np.asarray(x), places, 1))


def test_token_dropout_the_gradient_of_the_removed_is_0():
    places = np.asarray(removed(0.5, 1), int)[..., 0] - 1
    gradient = jax.jit(jax.grad(lambda x: removed(0.5, 1, x).sum()))(NUMBERED)
    expected = np.zeros((6, 17, 3))
    expected[np.arange(6)[:, None], places] = 1
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("mode", ["mask", "remove"])
def test_token_dropout_backward_keeps_only_the_key(
    mode: Literal["mask", "remove"], capsys: pytest.CaptureFixture[str]
):
    def run(key: jax.Array, x: jax.Array) -> jax.Array:
        return jaxdrop.token_dropout(key, x, 0.5, keep_first=2, mode=mode)

    print_saved_residuals(run, KEY, NUMBERED)
    saved = {line.split(" from ")[-1].split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert saved == {"key"}


def test_token_dropout_each_token_may_have_its_own_rate():
    rates = np.linspace(0, 1, 17, dtype=np.float32)[:, None]
    y = np.asarray(jaxdrop.token_dropout(KEY, ONES, rates))
    np.testing.assert_array_equal(y[:, 0], np.ones((6, 3)))
    np.testing.assert_array_equal(y[:, -1], np.zeros((6, 3)))
