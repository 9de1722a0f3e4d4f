"""What XLA compiles attention to for a TPU v5e and for an H100: read, not run.

`-m compiled` runs them, where `pip install '.[compiled]'` brought the compilers.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import SingleDeviceSharding

from experiments.bench import optimized
from experiments.bench.attention import ATTENDS, FEATURES, HEADS, Attention
from experiments.bench.programs import Kind, forward_backward
from experiments.bench.targets import Target
from tests.targets import device, of_targets

pytestmark = pytest.mark.compiled


@cache
def compiled(target: Target, name: Attention, kind: Kind, length: int) -> Any:
    """In bfloat16, of one example."""
    place = partial(jax.ShapeDtypeStruct, sharding=SingleDeviceSharding(device(target)))
    key = place((), jax.eval_shape(lambda: jax.random.key(0)).dtype)
    array = place((1, length, HEADS, FEATURES), jnp.bfloat16)
    attend: Callable[..., Any] = ATTENDS[name]
    if kind == "forward":
        return jax.jit(attend).lower(key, *[array] * 3).compile()
    return jax.jit(forward_backward(attend)).lower(key, *[array] * 4).compile()


def temporary_bytes(*what: Any) -> int:
    return compiled(*what).memory_analysis().temp_size_in_bytes


def largest(*what: Any) -> int:
    """Elements of the largest array in the program."""
    program = optimized.parse(compiled(*what).as_text())
    return max(each.elements for body in program.computations.values() for each in body)


@of_targets
@pytest.mark.parametrize("name", ["jaxdrop", "jaxdrop, causal"])
def test_memory_is_linear_in_queries_and_keys(target, name):
    one, two = (temporary_bytes(target, name, "forward-backward", size) for size in (2048, 4096))
    assert two < 2.1 * one
    assert two < HEADS * 4096**2  # half of what the weights alone would take
    assert largest(target, name, "forward-backward", 4096) <= 4096 * HEADS * FEATURES


@of_targets
def test_all_weights_would_be_found(target):
    assert largest(target, "unfused", "forward", 2048) >= HEADS * 2048**2
