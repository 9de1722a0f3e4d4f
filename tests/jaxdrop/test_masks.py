"""Golden masks. A mask that changes breaks every seeded run: that is a new major version."""

import hashlib
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxdrop

GOLDEN = {
    (8, 0.1, (3, 50), ()): "a8c3393358a9a0ef",
    (8, 0.5, (4, 5, 3), (1,)): "665fcf9d1baf6b24",
    (16, 0.1, (3, 50), ()): "f402e8c80985257b",
    (16, 0.5, (4, 5, 3), (1,)): "665fcf9d1baf6b24",
    (16, 0.999, (4096,), ()): "0642956e635c9c4c",
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


def test_the_first_draws_can_be_read():
    """One mask in full, so that a change can be seen and not only known."""
    mask = jaxdrop.keep_mask(jax.random.key(0), 0.5, (2, 16))
    assert ["".join(".#"[int(kept)] for kept in row) for row in mask] == [
        "####.#...#####..",
        ".##..##..##.....",
    ]
