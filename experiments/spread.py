"""The devices that there are, as one axis: rows are shared out over it, all else is replicated."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ROWS = PartitionSpec("rows")
ALL = PartitionSpec()
T = TypeVar("T")


def leads() -> bool:
    """Whether this is the process that prints and writes."""
    return jax.process_index() == 0


def warn(message: str) -> None:
    """Says so, once for all processes."""
    if leads():
        print(f"warning: {message}", file=sys.stderr)


def mesh() -> Mesh:
    """All devices, those of other processes among them."""
    return Mesh(np.array(jax.devices()), "rows")


def over_rows(of_row: Callable[..., T], shared: Any, *leaves: Any) -> T:
    """Maps a function of what is shared and of one row, on all devices.

    On a CPU each core is a device, for XLA multiplies small matrices on one core alone.
    """

    def one_by_one(shared: Any, leaves: Any) -> T:
        return lax.map(lambda leaves: of_row(shared, *leaves), leaves)

    specs = {"in_specs": (ALL, ROWS), "out_specs": ROWS}
    return jax.shard_map(one_by_one, mesh=mesh(), check_vma=False, **specs)(shared, leaves)


def over_devices(tree: T) -> T:
    """Arrays whose first axis is shared out over the devices."""
    return jax.device_put(tree, NamedSharding(mesh(), ROWS))


def on_every_device(tree: T) -> T:
    """Arrays of which every device has a copy."""
    return jax.device_put(tree, NamedSharding(mesh(), ALL))


def gathered(tree: Any) -> Any:
    """Numpy arrays of what the devices hold, the same in every process."""
    if jax.process_count() > 1:
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def most(number: int) -> int:
    """The largest of what the processes say, so that they all do the same."""
    if jax.process_count() == 1:
        return number
    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


def least(number: int) -> int:
    """The smallest of what the processes say."""
    return -most(-min(number, 2**31 - 1))


def meet(name: str) -> None:
    """Waits until all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
