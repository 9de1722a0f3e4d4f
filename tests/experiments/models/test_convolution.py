"""The patch product is XLA's convolution, in value and gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.models.convolution import by_patches, conv_general_dilated

conv: Any = nnx.Conv
RNG = np.random.default_rng(0)
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

    def both_ways(layer, x):
        return layer(x), nnx.grad(lambda m, x: jnp.sin(m(x)).sum(), argnums=(0, 1))(layer, x)

    x = RNG.normal(size=shape).astype(np.float32)
    both = nnx.jit(lambda x: [both_ways(each, x) for each in (layer(**PATCHES), layer())])
    (y, ours), (expected, theirs) = both(x)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_no_convolution_is_left_on_a_cpu():
    x = np.ones((2, 8, 8, 3), np.float32)
    ours, xla = (
        jax.jit(conv(3, 4, (3, 3), rngs=nnx.Rngs(0), **options)).lower(x).compile().as_text() or ""
        for options in (PATCHES, {})
    )
    assert " convolution(" not in ours
    assert " convolution(" in xla


@pytest.mark.parametrize("options", [{"kernel_dilation": 2}, {"feature_group_count": 3}])
def test_what_is_dilated_or_grouped_is_left_to_xla(options):
    x = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
    layers = [conv(3, 6, (3, 3), rngs=nnx.Rngs(0), **options, **ours) for ours in (PATCHES, {})]
    np.testing.assert_allclose(layers[0](x), layers[1](x), rtol=1e-5, atol=1e-5)


def test_a_kernel_larger_than_the_input_gives_what_xla_gives():
    run = lambda x, kernel: by_patches(x, kernel, (1, 1), "SAME")  # noqa: E731
    assert jax.eval_shape(run, np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1))).shape == (1, 2, 2, 1)
