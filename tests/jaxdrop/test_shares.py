"""How many of so many a share is: digits that a float lacks take nothing away."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdrop
from jaxdrop import shares
from tests.jaxdrop.arrays import ones

KEY = jax.random.key(21)
ENTRIES = np.arange(1, 1001, dtype=np.float32)
KINDS: dict[str, Callable[[float], Any]] = {
    "float": float,
    "float32": np.float32,
    "array": lambda share: jnp.asarray(share, jnp.float32),
    "bfloat16": lambda share: jnp.asarray(share, jnp.bfloat16),
}


def targets(share: Any, size: int) -> int:
    """How many of so many entries are pruned."""
    y = jaxdrop.targeted_dropout(KEY, jax.device_put(ENTRIES[:size]), 1.0, target_share=share)
    return int((np.asarray(y) == 0).sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("share", "size", "count"),
    [(0.59, 100, 59), (13 / 22, 22, 13), (0.07, 100, 7), (1 - 0.9, 10, 1), (0.57, 200, 114)],
)
def test_a_product_that_means_a_whole_number_is_that_number(
    share: float, size: int, count: int, kind: str
):
    given = KINDS[kind](share)
    assert targets(given, size) == count
    assert targets_of(given, size) == count


def targets_of(share: Any, size: int) -> int:
    """The count, for a share that is traced."""
    rule = shares.whole

    @jax.jit
    def count(share: jax.Array) -> jax.Array:
        return shares.count(shares.count_if_known(share, size, rule), size, rule, 0)

    return int(count(share))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_fraction_of_every_size_is_its_numerator(dtype: type[np.floating]):
    for size in range(1, 1500):
        counts = np.arange(size + 1)
        asked = (counts / size).astype(dtype)
        np.testing.assert_array_equal(shares.count_known(asked, size, shares.whole), counts)
        np.testing.assert_array_equal(shares.count_known(asked, size, shares.nearest), counts)


@pytest.mark.parametrize("kind", ["float", "float32", "array"])
@pytest.mark.parametrize(
    ("share", "size", "count"), [(0.5, 7, 3), (0.599999, 100, 59), (0.99999, 1000, 999), (0, 7, 0)]
)
def test_what_is_no_whole_number_is_rounded_down(share: float, size: int, count: int, kind: str):
    assert targets(KINDS[kind](share), size) == count


def test_the_slack_of_a_python_number_is_a_billionth():
    assert shares.count_known(0.59 * (1 - 5e-10), 100, shares.whole) == 59
    assert shares.count_known(0.59 * (1 - 5e-9), 100, shares.whole) == 58


@pytest.mark.parametrize(("share", "count"), [(jnp.nan, 100), (1.5, 100), (0.59, 59)])
def test_a_traced_share_that_is_none_counts_all(share: float, count: int):
    prune = jax.jit(partial(jaxdrop.targeted_dropout, rate=1.0))
    y = prune(KEY, ENTRIES[:100], target_share=share)
    assert (np.asarray(y) == 0).sum() == count


@pytest.mark.parametrize("rate", [0.035, 0.5, 0.59])
def test_tokens_and_exact_counts_agree(rate: float):
    for given in (rate, np.float32(rate)):
        x = jax.ShapeDtypeStruct((1, 300, 1), np.float32)
        remove = partial(jaxdrop.token_dropout, rate=given, mode="remove")
        kept = jax.eval_shape(remove, KEY, x).shape[1]
        y = np.asarray(jaxdrop.exact_dropout(KEY, ones(*x.shape), given, axis=1))
        assert kept == (y != 0).sum()
