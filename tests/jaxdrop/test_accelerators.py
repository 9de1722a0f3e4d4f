"""What XLA compiles the default dropout to for a TPU v5e and an H100: read, not run.

`-m compiled` runs them; libtpu is the compiler, and there need be no TPU. The limits are those that
the library promises for 16 bits in bfloat16 (experiments/bench/NOTES.md has the figures).
"""

import re
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxdrop
from experiments.bench import compiled, large_steps, optimized
from experiments.bench.compiled import Comparison
from experiments.bench.programs import Kind, forward_backward
from experiments.bench.targets import Target, is_installed

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(not is_installed("libtpu"), reason="libtpu is not installed"),
]

COLLECTIVE = re.compile(r"all-(?:gather|reduce|to-all)|collective-|reduce-scatter")
KINDS = {"automatic": AxisType.Auto, "explicit": AxisType.Explicit}
SHARDED = {
    "data": ((64, 1024, 512), P(("a", "b"), None, None)),
    "rows": ((8192, 512), P(("a", "b"), None)),
    "tensor": ((1024, 8192), P(None, ("a", "b"))),
    "both": ((4096, 4096), P("a", "b")),
    "sequence": ((4, 4096, 512), P(None, ("a", "b"), None)),
}


@cache
def figures(
    program: Kind | large_steps.Step, dropout: str, target: Target = "v5e"
) -> dict[str, Any]:
    """What one program is compiled to, at 4096 by 4096 or at the size of the step."""
    shape = large_steps.SHAPES.get(program, (4096, 4096))  # pyright: ignore
    return compiled.figures(Comparison(target, program, shape, "bfloat16", 0.1, ()), dropout)


@pytest.mark.parametrize("program", ["forward", "forward-backward"])
def test_no_kernel_moves_the_array_without_calculating(program: Kind):
    assert not figures(program, "jaxdrop-16")["relayouts"]


@pytest.mark.parametrize("count", ["bytes", "accessed_bytes"])
def test_no_more_than_the_words_is_moved_beside_the_data(count: str):
    ours, copy = (figures("forward", dropout)[count] for dropout in ("jaxdrop-16", "copy"))
    assert ours <= 1.35 * copy


def test_no_mask_is_kept_between_the_kernels():
    ours = figures("forward", "jaxdrop-16")
    assert ours["temporary_bytes"] <= 0.2 * ours["elements"]


def test_it_is_estimated_faster_than_flax():
    ours, flax = (figures("forward", dropout)["cycles"] for dropout in ("jaxdrop-16", "flax-nnx"))
    assert 0 < ours <= 0.72 * flax


def test_a_training_step_is_hardly_longer_for_it():
    ours, off = (figures("mlp", dropout)["cycles"] for dropout in ("jaxdrop-16", "off"))
    assert off < ours <= 1.12 * off


@pytest.mark.skipif(not is_installed("jax-cuda12-plugin"), reason="no compiler for a GPU")
def test_a_gpu_moves_two_bits_an_element_beside_the_data():
    """A bit is written and read."""
    ours, copy = (figures("forward", dropout, "h100") for dropout in ("jaxdrop-16", "copy"))
    assert copy["bytes"] < ours["bytes"] <= 1.07 * copy["bytes"]
    assert 0 < ours["integer_operations"] <= 18 * ours["elements"]


def on_sixteen(function: Any, shape: tuple[int, ...], spec: P, kind: str, count: int) -> str:
    """The program of each device of a 4 by 4 mesh, for a key and sharded data."""
    devices = np.asarray(topologies.get_topology_desc("v5e:4x4", "tpu").devices).reshape(4, 4)
    mesh = Mesh(devices, ("a", "b"), axis_types=(KINDS[kind],) * 2)
    data = jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=NamedSharding(mesh, spec))
    key = jax.eval_shape(lambda: jax.random.key(0))
    key = jax.ShapeDtypeStruct((), key.dtype, sharding=NamedSharding(mesh, P()))
    with jax.set_mesh(mesh):
        return jax.jit(function).lower(key, *[data] * count).compile().as_text() or ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SHARDED)
def test_shards_of_whole_groups_exchange_nothing_and_hash_no_more_than_their_own(
    name: str, kind: str
):
    both = forward_backward(lambda key, x: jaxdrop.dropout(key, x, 0.1))
    shape, spec = SHARDED[name]
    text = on_sixteen(both, shape, spec, kind, count=2)
    assert not COLLECTIVE.findall(text)
    every = (each for body in optimized.parse(text).computations.values() for each in body)
    assert max(each.elements for each in every) == np.prod(shape) / 16


def test_a_collective_would_be_found():
    shape, spec = SHARDED["rows"]
    text = on_sixteen(lambda key, x: x - x.sum(0, keepdims=True), shape, spec, "automatic", count=1)
    assert COLLECTIVE.findall(text)
