"""Where each element's lane lies: in which word, and at which bit of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Key, UInt8, UInt32

from jaxdrop.bits import (
    Pair,
    Words,
    flat_index,
    hash_pairs,
    in_a_branch,
    positions,
    random_pairs,
    sizes,
)
from jaxdrop.sixteen_bits import Limits, bounds, dropped, packed

LANES = 8


def explicit_sharding(x: Array) -> NamedSharding | None:
    """The sharding of `x` where its type tells: on an explicit mesh."""
    sharding = jax.typeof(x).sharding
    return sharding if any(sharding.spec) else None


def untied(sharding: NamedSharding | None, drawn: tuple[int, ...]) -> NamedSharding | None:
    """The sharding of the drawn mask: axes of size 1 are whole."""
    if sharding is None:
        return None
    spec = [None if size == 1 else names for names, size in zip(sharding.spec, drawn, strict=True)]
    return NamedSharding(sharding.mesh, PartitionSpec(*spec))


def stride(size: Any, last: bool) -> Any:
    """How many words lie in a row before the next lane begins, on an axis of this size."""
    far = 128 if last else 8
    tall = ((size & (size - 1)) == 0) & (size >= 1024) | (size % 4096 == 0)
    is_far = size >= 1024 if last else tall
    if isinstance(size, int):
        return far if is_far else 1
    return jnp.where(is_far, jnp.uint32(far), jnp.uint32(1))


@dataclass(frozen=True)
class Layout:
    """Lanes for an array of `shape`; `sharding` is its sharding on an explicit mesh, else None.

    The rule is a function of the shape alone. The lanes lie along the rightmost axis before the
    last that has eight elements or more, else along the last if it has, else along all axes as
    one. There element i has lane `i // s % 8` of word `i // 8s * s + i % s`: the s words of a group
    serve 8s elements in a row, and the last group may be cut. The stride s is 8 where the axis has
    a power of two of 1024 elements or more, or a multiple of 4096, else 1; on a last axis it is 128
    from 1024 elements on, else 1. Words are counted in row-major order.

    So a word is spread along a major axis, which takes no move within a register. Strides of 8 are
    whole tiles of a TPU; they stand where shards without whole groups are not to be expected.

    Where some shard of an explicit mesh has no whole groups, and where a size is symbolic, each
    element hashes its own word: that is slower, gives the same lanes, and needs nothing from
    another shard.
    """

    shape: tuple[int, ...]
    sharding: NamedSharding | None = None

    def keeps(
        self, key: Key[Array, ""], limit: UInt32[Array, "..."], bits: int
    ) -> Bool[Array, "..."]:
        """Whether each element's draw, of 8 or 16 bits, is below its limit."""
        if not self.whole or (self.sharding is not None and limit.ndim):
            counter, lane = self.place()
            own = dropped(hash_pairs(key, counter), bounds([limit], bits), bits)
            return (own & _bit(lane)) == 0

        # Before a CPU's branch numbers fold, and forward and backward share them; arrays would be
        # written out.
        early = None if limit.ndim else bounds([limit], bits)

        @partial(jax.jit, static_argnums=0)  # traced once for a CPU and a GPU
        def draw(pack: bool) -> Array:
            compared = early or bounds(self.limits(limit), bits)
            words = dropped(self.pairs(key), compared, bits)
            return packed(words) if pack else words

        # Left alone, XLA fuses the hash into what reads the words, and hashes again for every lane.
        # A TPU would move whole bytes between its registers.
        return lax.platform_dependent(
            tpu=lambda: self._spread(lax.optimization_barrier(draw(False)), _bit),
            cpu=lambda: self._spread(in_a_branch(lambda: draw(True)), _packed_bit),
            default=lambda: self._spread(lax.optimization_barrier(draw(True)), _packed_bit),
        )

    @cached_property
    def axes(self) -> list[int | None]:
        """The axis of the lanes, None where all are one; after those whose size is symbolic."""
        rank, found = len(self.shape), []
        for axis in (*range(rank - 1)[::-1], *range(rank)[-1:]):
            if not isinstance(size := self.shape[axis], int):
                found.append(axis)
            elif size >= LANES:
                return [*found, axis]
        return [*found, None]

    @property
    def folded(self) -> tuple[int, ...]:
        """The shape with the axes as one where the lanes lie along all of them."""
        return (math.prod(self.shape),) if self.axes[0] is None else self.shape

    @property
    def axis(self) -> int:
        """The axis of the folded shape along which the lanes lie."""
        return self.axes[0] or 0

    @property
    def stride(self) -> int:
        """The stride on that axis."""
        return stride(self.folded[self.axis], self.axis == len(self.folded) - 1)

    @property
    def groups(self) -> int:
        """How many groups there are along that axis."""
        return -(-self.folded[self.axis] // (LANES * self.stride))

    @cached_property
    def shards(self) -> int:
        """How many shards that axis has on an explicit mesh."""
        if self.sharding is None or not self.shape:
            return 1
        names = self.sharding.spec[self.axis]
        names = names if isinstance(names, tuple) else (names,) if names else ()
        return math.prod(self.sharding.mesh.shape[name] for name in names)

    @cached_property
    def whole(self) -> bool:
        """Whether all sizes are known, and all shards hold whole groups."""
        if not all(isinstance(size, int) for size in self.shape):
            return False
        if self.axes[0] is None:
            return self.sharding is None or not any(self.sharding.spec)
        group = LANES * self.stride
        return self.shards == 1 or self.folded[self.axis] % (self.shards * group) == 0

    def pairs(self, key: Key[Array, ""]) -> Pair:
        """The pairs of all words."""
        return random_pairs(key, self.words, self._sharding(0))

    @property
    def words(self) -> tuple[int, ...]:
        """The shape of the words."""
        rows = self.groups * self.stride
        return (*self.folded[: self.axis], rows, *self.folded[self.axis + 1 :])

    def limits(self, limit: UInt32[Array, "..."]) -> Limits:
        """The limits of the eight lanes of every word, or one for all lanes."""
        if limit.ndim and self.axes[0] is None:
            limit = jnp.broadcast_to(limit, self.shape).reshape(self.folded)
        if limit.ndim == 0 or limit.shape[self.axis] == 1:
            return [limit]
        padding = [(0, 0)] * limit.ndim
        padding[self.axis] = (0, self._length - limit.shape[self.axis])
        lanes = jnp.pad(limit, padding).reshape(self._split(limit.shape, LANES))
        lanes = jnp.moveaxis(lanes, self.axis + 1, 0)
        before, after = limit.shape[: self.axis], limit.shape[self.axis + 1 :]
        return list(lanes.reshape(LANES, *before, self.groups * self.stride, *after))

    def place(self) -> tuple[Pair, Words]:
        """The word, by its counter, and the lane of each element."""
        *unsure, sure = self.axes
        placed = self._place(sure)
        for axis in [axis for axis in reversed(unsure) if axis is not None]:
            along = self._lengths()[axis] >= LANES
            placed = jax.tree.map(partial(jnp.where, along), self._place(axis), placed)
        return placed

    def _lengths(self) -> list[int | Words]:
        return sizes(self.shape)

    def _positions(self) -> list[Words]:
        return positions(self.shape, self.sharding)

    def _place(self, axis: int | None) -> tuple[Pair, Words]:
        lengths, places = self._lengths(), self._positions()
        if axis is None:
            place = flat_index(lengths, places)[1]
            lengths, places, axis = [math.prod(lengths)], [place], 0
        length, place = lengths[axis], places[axis]
        row = stride(length, axis == len(lengths) - 1)
        group = row * LANES
        lengths[axis] = (length + (group - 1)) // group * row
        places[axis] = place // group * row + place % row
        return flat_index(lengths, places), place // row % LANES

    def _spread(self, words: Array, bit: Callable[[Words], Array]) -> Bool[Array, "..."]:
        """Whether the bit of each element is clear."""
        split, axis = self._split(self.folded, LANES), self.axis
        others = [dim for dim in range(len(split)) if dim != axis + 1]
        words = lax.reshape(words, self._split(self.folded), out_sharding=self._sharding(1))
        words = lax.broadcast_in_dim(words, split, others, out_sharding=self._sharding(2))
        whole = (*self.folded[:axis], self._length, *self.folded[axis + 1 :])
        words = lax.reshape(words, whole, out_sharding=self._sharding(0))
        words = lax.slice_in_dim(words, 0, self.folded[axis], axis=axis)
        place = lax.iota(jnp.uint32, self.folded[axis])
        lane = (place >> (self.stride.bit_length() - 1)) & (LANES - 1)  # both are powers of two
        others = [dim for dim in range(words.ndim) if dim != axis]
        kept = (words & lax.expand_dims(bit(lane), others)) == 0
        return lax.reshape(kept, self.shape, out_sharding=self.sharding)

    @property
    def _length(self) -> int:
        """What whole groups have room for."""
        return self.groups * LANES * self.stride

    def _split(self, shape: tuple[int, ...], *lanes: int) -> tuple[int, ...]:
        """The shape with the axis of the lanes in groups, lanes, words of a group."""
        before, after = shape[: self.axis], shape[self.axis + 1 :]
        return (*before, self.groups, *lanes, self.stride, *after)

    def _sharding(self, more: int) -> NamedSharding | None:
        """The sharding of the folded array, with so many axes more behind that of the lanes."""
        if self.sharding is None or self.axes[0] is None:
            return None
        spec = self.sharding.spec
        spec = (*spec[: self.axis + 1], *[None] * more, *spec[self.axis + 1 :])
        return NamedSharding(self.sharding.mesh, PartitionSpec(*spec))


def _bit(lane: Words) -> Words:
    return jnp.uint32(8) << (4 * lane)


def _packed_bit(lane: Words) -> UInt8[Array, "..."]:
    return (jnp.uint32(1) << lane).astype(jnp.uint8)
