"""Where a model drops: every site with its rate, stream and mode."""

import warnings
from collections import defaultdict
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.core import Tracer

from jaxdrop.flax_shared import Path, Site
from jaxdrop.nnx.base import read
from jaxdrop.nnx.catalogue import ConcreteDropout
from jaxdrop.nnx.walk import check_module, walk


def dropout_sites(model: nnx.Module) -> list[Site]:
    """Lists every place where an NNX model drops: path, class, rate, stream and mode.

    Sites are all of `flax.nnx.Dropout` and its subclasses, which jaxdrop's modules are, and every
    `nnx.MultiHeadAttention` whose dropout rate is not 0. It warns where several sites hold streams
    of their own that begin with one key: they would draw the same masks. That happens where each
    was built from a new `nnx.Rngs(0)`; give them one `nnx.Rngs`.

    Args:
      model: an NNX module.

    Returns:
      A list of `Site`, in the model's own order: that of its attributes, lists and keys.

    Raises:
      TypeError: no NNX module.

    Example:
      >>> from flax import nnx
      >>> from jaxdrop.nnx import Dropout, dropout_sites
      >>> rngs = nnx.Rngs(0)
      >>> model = nnx.Sequential(nnx.Linear(2, 3, rngs=rngs), nnx.relu, Dropout(0.5, rngs=rngs))
      >>> model.eval()
      >>> for site in dropout_sites(model):
      ...     print(*site)
      ('layers', 2) Dropout 0.5 dropout True
    """
    check_module(model)
    found = [(path, module) for path, module in walk(model) if is_site(module)]
    _warn_of_shared_keys(found)
    return [_describe(path, module) for path, module in found]


def is_site(module: Any) -> bool:
    """Whether a module drops by itself."""
    attention = isinstance(module, nnx.MultiHeadAttention) and module.dropout_rate != 0
    return isinstance(module, nnx.Dropout) or attention


def _describe(path: Path, module: Any) -> Site:
    kind = type(module).__name__
    if isinstance(module, nnx.MultiHeadAttention):
        return Site(path, kind, module.dropout_rate, "dropout", module.deterministic)
    learned = isinstance(module, ConcreteDropout)
    rate = module.learned_rate() if learned else read(module.rate)
    return Site(path, kind, rate, module.rng_collection, module.deterministic)


def _warn_of_shared_keys(found: list[tuple[Path, Any]]) -> None:
    holders: dict[bytes, dict[int, Path]] = defaultdict(dict)
    for path, module in found:
        for key in _keys(module.rngs):
            holders[key].setdefault(id(module.rngs), path)
    for paths in {tuple(streams.values()) for streams in holders.values()}:
        if len(paths) > 1:
            names = ", ".join(".".join(map(str, path)) for path in paths)
            warnings.warn(
                f"These dropout sites begin with one key and draw the same masks: {names}. "
                "Build them from one nnx.Rngs, which gives each a stream of its own.",
                stacklevel=3,
            )


def _keys(stream: nnx.RngStream | None) -> set[bytes]:
    """The keys that a stream holds, several under `nnx.vmap`; none where they are traced."""
    if stream is None or isinstance(stream.key[...], Tracer):
        return set()
    data = np.asarray(jax.random.key_data(stream.key[...]))
    return {row.tobytes() for row in data.reshape(-1, data.shape[-1])}
