"""Whether two things are the same, without keeping them: numbers for networks, digests for tables.

A fingerprint is a sum, so it is the same in whatever order devices add it up, and only four bytes
for each network leave the device.
"""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Shaped, UInt32

GOLDEN = np.uint32(0x9E3779B9)


@jax.jit
def fingerprints(tree: Any) -> UInt32[Array, "rows arms"]:
    """A number for each network, over all bits of every leaf and over where they stand."""
    leaves = jax.tree.leaves(tree)
    return sum(map(_leaf, range(len(leaves)), leaves), jnp.uint32(0))


def fingerprint(array: Shaped[Array, "..."]) -> UInt32[Array, ""]:
    """A number for one array."""
    return _leaf(0, array[None, None])[0, 0]


def digest(*arrays: Shaped[np.ndarray, "..."]) -> str:
    """SHA-256 of the bytes of arrays."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def _leaf(salt: int, leaf: Shaped[Array, "rows arms ..."]) -> UInt32[Array, "rows arms"]:
    if leaf.dtype == bool:
        leaf = leaf.astype(jnp.uint32)
    unsigned = jnp.dtype(f"uint{8 * leaf.dtype.itemsize}")
    bits = lax.bitcast_convert_type(leaf, unsigned).reshape(*leaf.shape[:2], -1)
    bits = bits.astype(jnp.uint32)
    place = _mix(lax.iota(jnp.uint32, bits.shape[-1]) + np.uint32(salt * int(GOLDEN) % 2**32))
    return _mix(bits ^ place[None, None]).sum(-1, dtype=jnp.uint32)


def _mix(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """The finaliser of MurmurHash3: any bit of the argument changes half of the result's."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
