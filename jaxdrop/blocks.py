"""The geometry of DropBlock: where blocks may start, what they cover, how often they must fall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float32, Int32

from jaxdrop import checks
from jaxdrop.probability import levels

_UNIT = 2**29  # the whole map, in fixed point


@dataclass(frozen=True)
class Blocks:
    """Blocks of `sides` along the spatial `axes` of an array."""

    shape: tuple[int, ...]
    batch: int
    axes: tuple[int, ...]
    sides: tuple[int, ...]
    shared_channels: bool

    @property
    def rate_shape(self) -> tuple[int, ...]:
        """One rate an example."""
        return tuple(size if axis == self.batch else 1 for axis, size in enumerate(self.shape))

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """The axes along which seeds are independent, beside the spatial ones."""
        tied = () if not self.shared_channels else set(range(len(self.shape))) - {self.batch}
        return checks.drawn_shape(self.shape, [*self.axes, *tied])

    @property
    def starts_shape(self) -> tuple[int, ...]:
        """A seed for every place where a block lies inside the map."""
        shape = list(self.channel_shape)
        for axis, side in zip(self.axes, self.sides, strict=True):
            shape[axis] = self.shape[axis] - side + 1
        return tuple(shape)

    def _covers(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of blocks that can cover a position, and how many positions have each."""
        along = []
        for axis, side in zip(self.axes, self.sides, strict=True):
            place, last = np.arange(self.shape[axis]), self.shape[axis] - side
            along.append(np.minimum(place, last) - np.maximum(place - side + 1, 0) + 1)
        return np.unique(reduce(np.multiply.outer, along), return_counts=True)

    def unseeded_probability(self, keep: Float32[Array, "..."]) -> Float32[Array, "..."]:
        """The probability of no seed at which the share `keep` of a map is kept in expectation.

        Every step is exact or rounded once, whatever compiles it: a mask must not depend on it.
        """
        target = jnp.round(keep * _UNIT).astype(jnp.int32)

        def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = (low + high) / 2
            enough = self._expected_share(middle) >= target
            return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

        bounds = jnp.zeros_like(keep), jnp.ones_like(keep)
        _, high = lax.fori_loop(0, round(math.log2(levels(32))), halve, bounds)
        return jnp.where((keep > 0) & (keep < 1), high, keep)

    def _expected_share(self, unseeded: Float32[Array, "..."]) -> Int32[Array, "..."]:
        numbers, counts = (array.reshape(-1, *(1,) * unseeded.ndim) for array in self._covers())
        uncovered, square = jnp.ones_like(unseeded)[None], unseeded[None]
        for bit in range(int(numbers.max()).bit_length()):
            uncovered = jnp.where(numbers >> bit & 1 == 1, uncovered * square, uncovered)
            square = square * square
        weights = np.float32(counts / counts.sum() * _UNIT)
        return jnp.round(uncovered * weights).astype(jnp.int32).sum(0, dtype=jnp.int32)

    def grow(self, kept: Bool[Array, "..."]) -> Bool[Array, "..."]:
        """From the starts without a seed to the positions that no block covers."""
        for axis, side in zip(self.axes, self.sides, strict=True):
            kept = _all_of(kept, axis, side)
        return kept

    def kept_share(self, mask: Bool[Array, "..."]) -> Float32[Array, "..."]:
        """The share of each example that is kept."""
        own = tuple(axis for axis in range(mask.ndim) if axis != self.batch)
        kept = mask.sum(own, dtype=jnp.int32, keepdims=True).astype(jnp.float32)
        return kept / np.float32(math.prod(mask.shape[axis] for axis in own))


def _all_of(kept: Bool[Array, "..."], axis: int, side: int) -> Bool[Array, "..."]:
    """Whether all starts of the blocks that cover a position are kept, by doubling windows."""
    pads = [(side - 1, side - 1, 0) if i == axis else (0, 0, 0) for i in range(kept.ndim)]
    kept, width = lax.pad(kept, jnp.bool_(True), pads), 1
    while width < side:
        step = min(width, side - width)
        length = kept.shape[axis]
        first = lax.slice_in_dim(kept, 0, length - step, axis=axis)
        kept = first & lax.slice_in_dim(kept, step, length, axis=axis)
        width += step
    return kept


def plan_blocks(
    shape: tuple[int, ...],
    block_size: int | Sequence[int],
    batch_dim: int,
    channel_dim: int,
    shared_channels: bool,
) -> Blocks:
    """Checks the axes and the block size."""
    batch = checks.check_axis("batch_dim", batch_dim, shape)
    channel = checks.check_axis("channel_dim", channel_dim, shape)
    axes = tuple(axis for axis in range(len(shape)) if axis not in (batch, channel))
    if batch == channel or not 1 <= len(axes) <= 3:
        raise ValueError(
            "Expected a batch axis, a channel axis and one to three spatial axes; got shape "
            f"{shape}, batch_dim={batch_dim}, channel_dim={channel_dim}. "
            "Give x the axes that are missing, of size 1."
        )
    for axis in axes:
        checks.check_known("spatial axes", shape[axis])
    sides = _check_sides(block_size, len(axes))
    cut = tuple(min(side, max(shape[axis], 1)) for axis, side in zip(axes, sides, strict=True))
    return Blocks(shape, batch, axes, cut, bool(shared_channels))


def _check_sides(block_size: int | Sequence[int], spatial: int) -> tuple[int, ...]:
    given = block_size if isinstance(block_size, Sequence) else (block_size,) * spatial
    if not all(isinstance(side, int | np.integer) and side is not True for side in given):
        raise TypeError(
            f"Expected block_size to be an integer or a sequence of them; got {block_size!r}."
        )
    if len(given) != spatial or min(given) < 1:
        raise ValueError(
            f"Expected a block_size of 1 or more, or {spatial} of them, one for each spatial axis; "
            f"got {block_size!r}."
        )
    return tuple(map(int, given))
