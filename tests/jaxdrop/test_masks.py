"""Masks as values: golden ones, and pairs that make up for one another.

A golden mask that changes breaks every seeded run: that is a new major version.
"""

import hashlib
import os
import subprocess
import sys
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import jaxdrop
from jaxdrop import masks
from tests.jaxdrop.arrays import normal

# (bits, rate, shape, tied axes): both widths, both ways to 32 bits, and every case of the rule.
GOLDEN = {
    (8, 0.1, (3, 50), ()): "b4ff1b433a2c39e0",
    (8, 0.5, (4, 5, 3), (1,)): "203f595c62f65f37",
    (16, 0.1, (3, 50), ()): "b4ff1b433a2c39e0",
    (16, 0.5, (4, 5, 3), (1,)): "203f595c62f65f37",
    (16, 0.5, (2, 3, 5), ()): "1d719001a0b73713",
    (16, 0.3, (4096,), ()): "630f67e7d8691ceb",
    (16, 0.3, (2, 3000), ()): "f28795703731daa2",
    (16, 0.3, (100, 7), ()): "b57a9c8c3bc681e9",
    (16, 0.3, (2048, 5), ()): "de4ba55fec7bb97e",
    (16, 0.3, (12288, 2), ()): "e30cc58b072e5a67",
    (16, 0.3, (20, 1, 4), ()): "030b6f95ba0afb77",
    (16, 0.3, (3, 20, 40), (1,)): "3bb60d886acfd571",
    (16, 0.999, (64, 64), ()): "f8349ced1642f21e",
    (32, 0.1, (3, 50), ()): "6fd4ed7827398e93",
    (32, 0.5, (4, 5, 3), (1,)): "e018c76a29e95d62",
}


def digest_of(case: tuple) -> str:
    """The mask of a case, in short."""
    bits, rate, shape, tied = case
    mask = jaxdrop.keep_mask(jax.random.key(42), rate, shape, broadcast_dims=tied, bits=bits)
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(("case", "digest"), GOLDEN.items(), ids=str)
def test_masks_are_what_they_have_always_been(case: tuple, digest: str):
    assert digest_of(case) == digest


def test_fully_optimised_programs_draw_them_too():
    """In a process of its own, with the compiler's own settings instead of the tests'."""
    code = "from tests.jaxdrop.test_masks import GOLDEN, digest_of; print(*map(digest_of, GOLDEN))"
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == list(GOLDEN.values())


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_what_other_platforms_run_draws_them_too(platform: str, monkeypatch):
    """Their branches are run here, on a CPU."""

    def choose(*args: Any, default: Any, **branches: Any) -> Any:
        return branches.get(platform, default)(*args)

    draw: Any = masks.draw
    traced_anew = lambda *given, **options: draw.__wrapped__(*given, **options)  # noqa: E731
    static = ("shape", "bits", "sharding")
    monkeypatch.setattr(jax.lax, "platform_dependent", choose)
    monkeypatch.setattr(masks, "draw", jax.jit(traced_anew, static_argnames=static))
    assert [digest_of(case) for case in GOLDEN] == list(GOLDEN.values())


def test_the_first_draws_can_be_read():
    """One mask in full, so that a change can be seen and not only known."""
    mask = jaxdrop.keep_mask(jax.random.key(0), 0.5, (2, 16))
    assert ["".join(".#"[int(kept)] for kept in row) for row in mask] == [
        "#.###.#..####.#.",
        "..####....#.#...",
    ]


KEY = jax.random.key(13)


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.7, 1.0])
def test_complementary_masks_a_pair_overlaps_as_little_as_its_rate_allows(rate: float, bits: int):
    first, second = map(np.asarray, jaxdrop.complementary_masks(KEY, rate, (40, 50), bits=bits))
    np.testing.assert_array_equal(first, jaxdrop.keep_mask(KEY, rate, (40, 50), bits=bits))
    if rate <= 0.5:
        assert (first | second).all()
    if rate >= 0.5:
        assert not (first & second).any()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.7])
def test_complementary_masks_the_second_is_a_mask_of_the_same_rate(rate: float):
    """At 4.5 standard errors: a false alarm in 2e-5 of fresh keys."""
    _, second = jax.jit(lambda key: jaxdrop.complementary_masks(key, rate, (1000, 200)))(KEY)
    assert abs(second.mean() - (1 - rate)) < 4.5 * np.sqrt(rate * (1 - rate) / second.size)


def test_complementary_masks_at_one_half_the_pair_averages_to_x():
    x = normal(1, 40, 50)
    pair = jaxdrop.complementary_masks(KEY, 0.5, x.shape)
    first, second = (np.asarray(jaxdrop.apply_mask(mask, x, 0.5)) for mask in pair)
    np.testing.assert_array_equal((first + second) / 2, x)


def test_complementary_masks_tied_axes_and_array_rates():
    rates = np.array([0.0, 0.5, 1.0], np.float32)
    draw = partial(jaxdrop.complementary_masks, shape=(5, 3), broadcast_dims=(0,))
    for mask in map(np.asarray, jax.jit(draw)(KEY, rates)):
        assert mask.shape == (5, 3)
        np.testing.assert_array_equal(mask, np.broadcast_to(mask[:1], (5, 3)))
        assert (bool(mask[0, 0]), bool(mask[0, 2])) == (True, False)
