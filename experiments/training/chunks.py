"""How arms × seeds are cut up: a row is a seed with a group of arms, a chunk is so many rows.

Devices share the rows of a chunk out: a CPU maps its rows one after the other, accelerators vmap
theirs. The arms of a row are vmapped, so that they draw their masks and batches once. Whatever does
not come out even is padded with copies of the last, which are cut off again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, Shaped

from experiments.errors import expect

Table = Shaped[np.ndarray, "rows group ..."]


@dataclass(frozen=True)
class Layout:
    """What is trained together. Other groups may round differently, so a run is tied to it."""

    seeds: int
    arms: int
    group: int
    """Arms in a row."""
    chunk: int
    """Rows in a chunk."""
    first: int = 0
    """The number of the first seed."""

    def __post_init__(self) -> None:
        """Checks the numbers, which may come from a file."""
        for name, least in {"seeds": 1, "arms": 1, "group": 1, "chunk": 1, "first": 0}.items():
            expect(getattr(self, name) >= least, f"{name} of {least} or more", getattr(self, name))
        expect(self.group <= self.arms, f"groups of at most {self.arms} arms", self.group)

    @property
    def all_seeds(self) -> Int[np.ndarray, " seeds"]:
        """Their numbers."""
        return np.arange(self.first, self.first + self.seeds)

    @property
    def groups(self) -> int:
        """Rows of a seed."""
        return -(-self.arms // self.group)

    @property
    def rows(self) -> int:
        """Rows in all, without padding."""
        return self.seeds * self.groups

    @property
    def chunks(self) -> int:
        """How many chunks are trained one after the other."""
        return -(-self.rows // self.chunk)

    def in_chunk(self, chunk: int) -> int:
        """Networks in a chunk, about: arms that are padded count."""
        return self.group * (min(self.rows, (chunk + 1) * self.chunk) - chunk * self.chunk)

    def pairs(self, chunk: int) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, "rows group"]]:
        """The seed of each row of a chunk, and its arms."""
        rows = np.arange(chunk * self.chunk, (chunk + 1) * self.chunk)
        seeds, groups = np.divmod(np.minimum(rows, self.rows - 1), self.groups)
        arms = groups[:, None] * self.group + np.arange(self.group)
        return self.first + seeds, np.minimum(arms, self.arms - 1)

    def join(self, chunks: Sequence[Table]) -> Shaped[np.ndarray, "seeds arms ..."]:
        """What came out of all chunks, without what was padded."""
        whole = np.concatenate(chunks)[: self.rows]
        rest = whole.shape[2:]
        return whole.reshape(self.seeds, self.groups * self.group, *rest)[:, : self.arms]

    def on(self, devices: int) -> "Layout":
        """The same rows in chunks that so many devices can share out evenly."""
        return replace(self, chunk=-(-min(self.chunk, self.rows) // devices) * devices)


def choose(seeds: int, arms: int, devices: int, pairs: int, group: int) -> Layout:
    """A layout of at most `pairs` networks in a chunk, yet one for each device.

    At most `group` arms are in a row, and fewer where devices would otherwise have none.
    """
    groups = min(arms, max(-(-devices // seeds), -(-arms // group)))
    group = min(-(-arms // groups), max(1, pairs // devices))
    most = max(1, pairs // (group * devices))
    needed = -(-seeds * -(-arms // group) // devices)
    return Layout(seeds, arms, group, devices * min(most, needed))
