"""Keys for the shards of a computation."""

from collections.abc import Hashable

import jax
from jaxtyping import Array, Key

from jaxdrop.checks import check_key

_SHARD = 0x5348_4152  # "SHAR": keeps shard keys apart from keys folded with a step or a layer


def shard_key(key: Key[Array, ""], axis_name: Hashable | tuple[Hashable, ...]) -> Key[Array, ""]:
    r"""Gives each shard inside `jax.shard_map` a key, and so a mask, of its own.

    $$k_i = \mathrm{fold}(\mathrm{fold}(k, c), i)$$

    with `i` the index of the shard along the axis. Without it all shards draw one mask, because the
    function sees the same key and the same shape on each of them. Under `jit` it is not needed:
    there a mask belongs to the whole array.

    Args:
      key: one key, typed or legacy, the same on all shards.
      axis_name: the mesh axis, or several, over which the masks shall differ.

    Returns:
      One typed key.

    Raises:
      TypeError: no key.
      ValueError: several keys.
      NameError: an axis that is not bound here; the function is called outside `jax.shard_map`.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> from jax.sharding import Mesh, PartitionSpec as P
      >>> mesh = Mesh(jax.devices()[:1], ("data",))
      >>> def layer(key, x):
      ...     return jaxdrop.dropout(jaxdrop.shard_key(key, "data"), x, 0.5)
      >>> layer = jax.shard_map(layer, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data"))
      >>> layer(jax.random.key(0), jnp.ones((8, 4))).shape
      (8, 4)

    """
    index = jax.lax.axis_index(axis_name)
    return jax.random.fold_in(jax.random.fold_in(check_key(key), _SHARD), index)
