"""Where each element's lane lies: in which word pair, and in which of its eight bytes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Key, UInt8

from jaxdrop.bits import Pair, Words, flat_index, hash_pairs, once, positions, random_pairs

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


@dataclass(frozen=True)
class Layout:
    """Lanes for an array of `shape`; `sharding` is its sharding on an explicit mesh, else None.

    Trailing axes are folded into one until it fills a pair. On an explicit mesh whose shards hold
    no whole number of pairs each element hashes its own pair, which is slower, gives the same
    lanes, and needs nothing from another shard.
    """

    shape: tuple[int, ...]
    sharding: NamedSharding | None = None

    @cached_property
    def kept_axes(self) -> int:
        """How many leading axes stay as they are before the folded one."""
        return next(
            (
                axis
                for axis in range(len(self.shape))[::-1]
                if math.prod(self.shape[axis:]) >= LANES
            ),
            0,
        )

    @property
    def folded(self) -> tuple[int, ...]:
        """The shape with its trailing axes as one."""
        return (*self.shape[: self.kept_axes], math.prod(self.shape[self.kept_axes :]))

    @property
    def pairs_shape(self) -> tuple[int, ...]:
        """A word pair for every eight elements of the folded axis."""
        return (*self.folded[:-1], -(-self.folded[-1] // LANES))

    @cached_property
    def packed(self) -> bool:
        """Whether whole pairs lie in every shard."""
        if self.sharding is None:
            return True
        first, *rest = [*self.sharding.spec[self.kept_axes :], None]
        names = first if isinstance(first, tuple) else (first,) if first else ()
        shards = math.prod(self.sharding.mesh.shape[name] for name in names)
        return not any(rest) and (shards == 1 or self.folded[-1] % (shards * LANES) == 0)

    @property
    def folded_sharding(self) -> NamedSharding | None:
        """The sharding of the folded array, and of its pairs."""
        if self.sharding is None:
            return None
        spec = PartitionSpec(*self.sharding.spec[: len(self.folded)])
        return NamedSharding(self.sharding.mesh, spec)

    def pairs(self, key: Key[Array, ""], then: Callable[[Pair], Any] = lambda pair: pair) -> Any:
        """Draws the word pairs, and puts `then` to them in the same loop."""
        if self.packed:
            return once(lambda: then(random_pairs(key, self.pairs_shape, self.folded_sharding)))
        return then(hash_pairs(key, self.pairs_shape, [*self._rows(), self._column() // LANES]))

    def spread(self, pair: Pair) -> UInt8[Array, "..."]:
        """One byte of a pair for each element."""
        if not self.packed:
            return self._pick(pair)
        lanes = lax.bitcast_convert_type(jnp.stack(pair, -1), jnp.uint8)
        flat = (*self.pairs_shape[:-1], self.pairs_shape[-1] * LANES)
        lanes = lax.reshape(lanes, flat, out_sharding=self.folded_sharding)
        if flat != self.folded:
            lanes = lax.slice_in_dim(lanes, 0, self.folded[-1], axis=-1)
        return lax.reshape(lanes, self.shape, out_sharding=self.sharding)

    def _pick(self, pair: Pair) -> UInt8[Array, "..."]:
        lane = self._column() % LANES
        word = jnp.where(lane < LANES // 2, *pair)
        return (word >> (8 * (lane % (LANES // 2)))).astype(jnp.uint8)

    def _rows(self) -> list[Words]:
        return positions(self.shape, self.sharding)[: self.kept_axes]

    def _column(self) -> Words:
        inner = positions(self.shape, self.sharding)[self.kept_axes :]
        return flat_index(self.shape[self.kept_axes :], inner)[1]
