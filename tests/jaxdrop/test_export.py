"""Programs that are exported for sizes not known yet; test_laws.py has what all operators share."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jaxdrop

KEY = jax.random.key(5)
Op = Callable[[jax.Array, jax.Array], jax.Array]


def program(op: Op, shape: str, key: jax.Array = KEY) -> export.Exported:
    """The operator exported for float32 data of a symbolic shape."""
    x = jax.ShapeDtypeStruct(export.symbolic_shape(shape), jnp.float32)
    return export.export(jax.jit(op))(key, x)


RULE = {
    "b": [(3,), (9,), (2000,)],
    "b, 24": [(1, 24), (8, 24), (1024, 24), (1536, 24), (4096, 24)],
    "b, t, 5": [(2, 2, 5), (9, 3, 5), (2, 9, 5), (3, 1024, 5)],
    "4, c": [(4, 3), (4, 9), (4, 1500)],
    "b, 1, 5": [(3, 1, 5), (30, 1, 5)],
}
WIDTHS = [(shape, 16) for shape in RULE] + [("b", 8), ("b", 32)]


@pytest.mark.parametrize(("shape", "bits"), WIDTHS)
def test_every_case_of_the_rule_is_decided_at_run_time(shape: str, bits: int):
    op = jax.jit(partial(jaxdrop.dropout, rate=0.3, bits=bits))
    exported = program(op, shape)

    @jax.jit  # one program
    def both(key: jax.Array, xs: list[jax.Array]) -> list[tuple[jax.Array, jax.Array]]:
        return [(exported.call(key, x), op(key, x)) for x in xs]

    for found, expected in both(KEY, [np.ones(size, np.float32) for size in RULE[shape]]):
        np.testing.assert_array_equal(found, expected)


def test_blocks_of_a_symbolic_batch():
    op = jax.jit(lambda key, x: jaxdrop.drop_block(key, x, 0.2, block_size=3))
    x = np.ones((5, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(program(op, "b, 8, 8, 3").call(KEY, x), op(KEY, x))


REFUSED: dict[str, tuple[Op, str]] = {
    "block": (lambda key, x: jaxdrop.drop_block(key, x, 0.2, block_size=3), "2, h, 8, 3"),
    "exact": (lambda key, x: jaxdrop.exact_dropout(key, x, 0.5, axis=0), "b, 8"),
    "targeted": (lambda k, x: jaxdrop.targeted_dropout(k, x, 0.5, target_share=0.5), "2, c"),
    "removed": (lambda key, x: jaxdrop.token_dropout(key, x, 0.5, mode="remove")[0], "2, t, 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_plans_along_a_symbolic_axis_says_so(name: str):
    op, shape = REFUSED[name]
    with pytest.raises(ValueError, match=r"of a known size; got the symbolic size \w\."):
        program(op, shape)


def test_another_generator_cannot_find_a_word_alone():
    key = jax.random.key(0, impl="rbg")
    with pytest.raises(ValueError, match="Expected a threefry2x32 key where a size is symbolic"):
        program(partial(jaxdrop.dropout, rate=0.5), "b, 8", key)
