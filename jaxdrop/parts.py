"""A part of a mask, drawn alone: the counters of its words tell where it lies."""

from dataclasses import dataclass
from typing import Any

from jax.typing import ArrayLike
from jaxtyping import Array, Key

import jax.numpy as jnp
from jaxdrop.bits import Pair, Words, flat_index, hash_pairs, positions, sizes
from jaxdrop.lanes import LANES, Layout


@dataclass(frozen=True)
class Part(Layout):
    """The part of `shape` that begins at `start`, which may be traced, of a mask laid out as `of`.

    On the axis of the lanes a part is that axis, or begins at the edge of a group of them and has
    whole groups. It may reach beyond the mask; what it holds there means nothing.
    """

    of: Layout = Layout(())
    start: tuple[ArrayLike, ...] = ()

    @property
    def axes(self) -> list[int | None]:  # pyright: ignore # the one of the mask
        """The axis of the lanes of the whole mask."""
        return self.of.axes

    @property
    def stride(self) -> Any:
        """The stride of the whole mask."""
        return self.of.stride

    @property
    def whole(self) -> bool:  # pyright: ignore
        """Whether it has whole groups; lanes along all axes at once have none."""
        return self.axes[0] is not None

    def pairs(self, key: Key[Array, ""]) -> Pair:
        """The pairs of its words."""
        start = list(self.start)
        start[self.axis] = jnp.uint32(start[self.axis]) // LANES
        return hash_pairs(key, flat_index(sizes(self.of.words), _moved(self.words, start)))

    def _lengths(self) -> list[int | Words]:
        return sizes(self.of.shape)

    def _positions(self) -> list[Words]:
        return _moved(self.shape, self.start)


def _moved(shape: tuple[int, ...], start: Any) -> list[Words]:
    pairs = zip(positions(shape, None), start, strict=True)
    return [place + jnp.asarray(first).astype(jnp.uint32) for place, first in pairs]
