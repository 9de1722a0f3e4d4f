"""Convolution as a matrix product over patches, for CPU.

XLA's CPU convolution is slow inside a scan and under vmap: a step of 32 small networks takes some
forty times as long as shifted slices times the kernel. On GPU and TPU XLA's own is the right one.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def conv_general_dilated(
    lhs: Float[Array, "batch *space channels"],
    rhs: Float[Array, "*window channels features"],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **options: Any,
) -> Float[Array, "batch *space features"]:
    """`jax.lax.conv_general_dilated`, by whichever way is quick where the program runs.

    It is given to `nnx.Conv(..., conv_general_dilated=...)`, whose layout it takes: batch, space,
    channels.
    """
    xla = lambda lhs, rhs: lax.conv_general_dilated(  # noqa: E731
        lhs, rhs, window_strides, padding, **options
    )
    if not _plain(options, lhs.ndim):
        return xla(lhs, rhs)
    patches = lambda lhs, rhs: by_patches(lhs, rhs, window_strides, padding)  # noqa: E731
    return lax.platform_dependent(lhs, rhs, cpu=patches, default=xla)


def by_patches(
    lhs: Float[Array, "batch *space channels"],
    rhs: Float[Array, "*window channels features"],
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
) -> Float[Array, "batch *space features"]:
    """Shifted slices side by side, times the kernel as a matrix."""
    window, space = rhs.shape[:-2], lhs.shape[1:-1]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(space, window, strides, padding)
    lhs = jnp.pad(lhs, [(0, 0), *padding, (0, 0)])
    sizes = [
        (full - size) // step + 1
        for full, size, step in zip(lhs.shape[1:-1], window, strides, strict=True)
    ]
    starts = itertools.product(*map(range, window))
    patches = [_shifted(lhs, start, sizes, strides) for start in starts]
    return jnp.concatenate(patches, axis=-1) @ rhs.reshape(-1, rhs.shape[-1])


def _shifted(
    lhs: Array, start: Sequence[int], sizes: Sequence[int], strides: Sequence[int]
) -> Array:
    stop = [s + (n - 1) * step + 1 for s, n, step in zip(start, sizes, strides, strict=True)]
    ends = (lhs.shape[0], *stop, lhs.shape[-1])
    return lax.slice(lhs, (0, *start, 0), ends, (1, *strides, 1))


def _plain(options: dict[str, Any], rank: int) -> bool:
    """Whether nothing is dilated or grouped, in the layout of Flax."""
    dilations = [*(options.get("lhs_dilation") or ()), *(options.get("rhs_dilation") or ())]
    layout = options.get("dimension_numbers")
    last = (0, rank - 1, *range(1, rank - 1))
    return (
        set(dilations) <= {1}
        and options.get("feature_group_count", 1) == 1
        and (layout is None or jax.tree.leaves(layout.lhs_spec) == list(last))
    )
