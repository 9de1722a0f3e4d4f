"""Samples that are shared out over the devices of a mesh."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Key, PyTree

AXIS = "samples"  # of the devices that share them


def on_devices(
    run: Callable[..., PyTree[Array]],
    mesh: Mesh,
    key: Key[Array, ""],
    count: int,
    join: Callable[..., PyTree[Array]] | None = None,
) -> PyTree[Array]:
    """Runs equal shares of the indices on all devices, and what is left on the first of them.

    Without `join` the parts of all devices, behind each other; else what it makes of a device's.
    """
    mesh, over = Mesh(mesh.devices.ravel(), AXIS), PartitionSpec(AXIS)  # any axes, of any kind
    whole = count - count % mesh.size

    def of_device(key: Key[Array, ""], own: Array, last: Array) -> PyTree[Array]:
        parts = [run(key, own)] if len(own) else []
        if whole < count:
            parts.append(_if(last[0] < count, run, key, last))
        return parts if join is None else join(parts)

    out = over if join is None else PartitionSpec()
    specs = {"in_specs": (PartitionSpec(), over, over), "out_specs": out}
    shared = jax.shard_map(of_device, mesh=mesh, check_vma=False, **specs)
    return shared(key, jnp.arange(whole), whole + jnp.arange(mesh.size))


def _if(wanted: Array, run: Callable[..., PyTree[Array]], *arguments: Array) -> PyTree[Array]:
    """Runs where wanted; elsewhere zeros."""
    shapes = jax.eval_shape(run, *arguments)
    return lax.cond(
        wanted,
        run,
        lambda *_: jax.tree.map(lambda leaf: lax.full_like(leaf, 0), shapes),
        *arguments,
    )
