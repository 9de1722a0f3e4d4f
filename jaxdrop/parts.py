"""A part of a mask, drawn alone: the counters of its words tell where it lies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Key, UInt32

from jaxdrop.bits import Pair, Words, flat_index, hash_pairs, positions, sizes
from jaxdrop.lanes import LANES, Layout


@dataclass(frozen=True)
class Part(Layout):
    """The part of `shape` that begins at `start`, which may be traced, of a mask laid out as `of`.

    On the axis of the lanes a part is the whole axis, or begins at the edge of a group of them and
    holds whole groups. It may reach beyond the mask; what it holds there means nothing.
    """

    of: Layout = field(kw_only=True)
    start: Sequence[ArrayLike] = field(kw_only=True)

    def keeps(
        self, key: Key[Array, ""], limit: UInt32[Array, "..."], bits: int
    ) -> Bool[Array, "..."]:
        """Whether each element's draw is below its limit."""
        if bits == 32:
            first, second = hash_pairs(key, flat_index(self._lengths(), self._positions()))
            return (first ^ second) >> 9 < limit
        return super().keeps(key, limit, bits)

    @property
    def axes(self) -> list[int | None]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The axis of the lanes is the mask's."""
        return self.of.axes

    @property
    def stride(self) -> Any:
        """So is the stride."""
        return self.of.stride

    @property
    def whole(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether it holds whole groups; lanes along all axes as one have none."""
        return self.axes[0] is not None

    def pairs(self, key: Key[Array, ""]) -> Pair:
        """The pairs of its words."""
        start = list(self.start)
        start[self.axis] = jnp.asarray(start[self.axis]) // LANES
        return hash_pairs(key, flat_index(sizes(self.of.words), _moved(self.words, start)))

    def _lengths(self) -> list[int | Words]:
        return sizes(self.of.shape)

    def _positions(self) -> list[Words]:
        return _moved(self.shape, self.start)


def _moved(shape: tuple[int, ...], start: Sequence[ArrayLike]) -> list[Words]:
    pairs = zip(positions(shape, None), start, strict=True)
    return [place + jnp.asarray(first).astype(jnp.uint32) for place, first in pairs]
