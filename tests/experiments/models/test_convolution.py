"""The patch product is XLA's convolution, in value and gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.models.convolution import by_patches, conv_general_dilated

conv: Any = nnx.Conv
PATCHES: dict[str, Any] = {"conv_general_dilated": conv_general_dilated}
CASES = [
    ((3, 3), (1, 1), "SAME", (2, 8, 8, 3)),
    ((3, 3), (2, 2), "SAME", (2, 9, 8, 3)),
    ((2, 5), (1, 3), "VALID", (1, 9, 11, 4)),
    ((3, 3), (2, 1), ((2, 0), (1, 3)), (2, 7, 7, 1)),
    ((4,), (2,), "SAME", (3, 13, 2)),
    ((1, 1), (1, 1), "VALID", (2, 4, 4, 5)),
]


@pytest.mark.parametrize(("window", "strides", "padding", "shape"), CASES)
def test_it_is_xlas_convolution(window, strides, padding, shape):
    def layer(**options):
        return nnx.Conv(shape[-1], 6, window, strides, padding=padding, rngs=nnx.Rngs(0), **options)

    x = jax.random.normal(jax.random.key(1), shape)

    @nnx.jit  # one program
    def both_ways(layer, x):
        return layer(x), nnx.grad(lambda m, x: jnp.sin(m(x)).sum(), argnums=(0, 1))(layer, x)

    (y, ours), (expected, theirs) = (both_ways(each, x) for each in (layer(**PATCHES), layer()))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_no_convolution_is_left_on_a_cpu():
    x = jnp.ones((2, 8, 8, 3))
    ours, xla = (
        jax.jit(conv(3, 4, (3, 3), rngs=nnx.Rngs(0), **options)).lower(x).compile().as_text() or ""
        for options in (PATCHES, {})
    )
    assert " convolution(" not in ours
    assert " convolution(" in xla


@pytest.mark.parametrize("options", [{"kernel_dilation": 2}, {"feature_group_count": 3}])
def test_what_is_dilated_or_grouped_is_left_to_xla(options):
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    layers = [conv(3, 6, (3, 3), rngs=nnx.Rngs(0), **options, **ours) for ours in (PATCHES, {})]
    np.testing.assert_allclose(layers[0](x), layers[1](x), rtol=1e-5, atol=1e-5)


def test_a_kernel_larger_than_the_input_gives_what_xla_gives():
    assert by_patches(jnp.ones((1, 2, 2, 1)), jnp.ones((3, 3, 1, 1)), (1, 1), "SAME").shape == (
        *(1, 2, 2, 1),
    )
