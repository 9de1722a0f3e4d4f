"""What the tests of both Flax adapters share: cases, bitwise comparison, an explicit mesh."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

X = jax.random.normal(jax.random.key(3), (6, 5, 16))
KEY = jax.random.key(7)
CASES = [(rate, dims) for rate in (0.1, 0.25, 0.5, 0.7, 0.9) for dims in ((), (-1,), (0, 2))]
CASES += [(0.0, ()), (1.0, ()), (1.0, (0,))]
eager_and_jitted = pytest.mark.parametrize("compile", [lambda call: call, jax.jit], ids=["", "jit"])


def assert_same_bits(ours: Array, theirs: Array) -> None:
    """Equal to the last bit, the sign of a zero included."""
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(ours).view(np.uint32), np.asarray(theirs).view("u4"))


def assert_works_on_an_explicit_mesh(call: Callable[[Array, Array], Array]) -> None:
    """The same result as on one device, sharded like the data, eager and jitted."""
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Explicit,) * 2)
    data = jax.random.normal(jax.random.key(1), (8, 32))
    expected = call(KEY, data)
    for compiled, spec in ((call, P("a", None)), (jax.jit(call), P("a", "b"))):
        with jax.set_mesh(mesh):
            y = compiled(jax.device_put(KEY, P()), jax.device_put(data, spec))
        assert jax.typeof(y).sharding.spec == spec
        assert_same_bits(y, expected)
