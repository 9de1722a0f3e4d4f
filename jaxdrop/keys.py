"""Keys for the steps, layers, micro-batches and shards of a computation."""

import hashlib
from collections.abc import Hashable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int, Key

from jaxdrop.checks import as_key, check_word

_SHARD = 0x5348_4152  # "SHAR": keeps shard keys apart from keys folded with a step or a layer

# Each part of a derived key has a domain of its own, so that layer 2 is not micro-batch 2.
_STEP, _LAYER, _NAMED_LAYER, _MICROBATCH = 0x5354_4550, 0x4C41_5945, 0x4E41_4D45, 0x4D49_4352

Index = int | np.integer | Int[Array, ""]


def shard_key(key: Key[Array, ""], axis_name: Hashable | tuple[Hashable, ...]) -> Key[Array, ""]:
    r"""Gives each shard inside `jax.shard_map` a key, and so a mask, of its own.

    $$k_i = \mathrm{fold}(\mathrm{fold}(k, c), i)$$

    with `i` the index of the shard along the axis. Without it all shards draw one mask, because the
    function sees the same key and the same shape on each of them. Under `jit` it is not needed:
    there a mask belongs to the whole array.

    Args:
      key: one key, the same on all shards, see "Keys and rates" in `jaxdrop`.
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
    key = as_key(key, "shard_key(key, axis_name)")
    index = jax.lax.axis_index(axis_name)
    return jax.random.fold_in(jax.random.fold_in(key, _SHARD), index)


def derive(
    root: Key[Array, ""],
    *,
    step: Index,
    layer: Index | str | None = None,
    microbatch: Index | None = None,
) -> Key[Array, ""]:
    r"""Derives the key of one layer at one step from the root key of a run.

    $$k = \mathrm{fold}(\mathrm{fold}(\mathrm{fold}(root, step), layer), microbatch)$$

    each fold in a domain of its own; a part that is not given is not folded. The key is a function
    of these numbers alone: keys may be derived in any order, and a run that starts again from
    (seed, step) draws the same masks, with no random state in its checkpoint. Different parts give
    different keys, which are none of `shard_key`'s, nor those of `jax.random.split`.

    A functional model takes `root` and `step`, and derives a key at each site, as below; a layer's
    index may be traced by a scan. An nnx model takes at every call
    `rngs=nnx.Rngs(dropout=jaxdrop.derive(root, step=step))`, which counts its sites by itself.
    Inside `jax.shard_map` pass the result through `shard_key`.

    Args:
      root: one key, the same for the whole run, see "Keys and rates" in `jaxdrop`.
      step: the training step, an integer in [0, 2**32), which may be traced.
      layer: the layer's index, likewise, or its name.
      microbatch: the index of the micro-batch that gradients are accumulated over, likewise.

    Returns:
      One typed key.

    Raises:
      TypeError: no key, or a part that is no integer (for a layer: and no name).
      ValueError: several keys, several steps, an integer out of range, or a name that is no text.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> def model(weights, x, root, step):
      ...     for layer, weight in enumerate(weights):
      ...         key = jaxdrop.derive(root, step=step, layer=layer)
      ...         x = jaxdrop.dropout(key, jnp.tanh(x @ weight), 0.1)
      ...     return x
      >>> jax.jit(model)(jnp.ones((3, 8, 8)), jnp.ones((2, 8)), jax.random.key(0), 7).shape
      (2, 8)
    """
    key = as_key(root, "derive(root, step=...)")
    words = [_STEP, check_word("step", step, "Pass an int.")]
    if isinstance(layer, str):
        words += [_NAMED_LAYER, *_digest(layer)]
    elif layer is not None:
        words += [_LAYER, check_word("layer", layer, "A name is a str.")]
    if microbatch is not None:
        words += [_MICROBATCH, check_word("microbatch", microbatch, "Pass an int.")]
    return _fold(key, *(word if isinstance(word, Tracer) else np.uint32(word) for word in words))


@jax.jit  # one call for all words
def _fold(key: Key[Array, ""], *words: np.uint32 | Array) -> Key[Array, ""]:
    for word in words:
        key = jax.random.fold_in(key, word.astype(jnp.uint32))
    return key


def _digest(name: str) -> list[int]:
    """Two words of a name, the same in every process, as `hash` is not."""
    try:
        text = name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"Expected a layer's name of Unicode characters; got {name!r}. "
            "Half of a surrogate pair is none: name the layer otherwise, or by its index."
        ) from None
    words = hashlib.blake2b(text, digest_size=8).digest()
    return np.frombuffer(words, "<u4").tolist()
