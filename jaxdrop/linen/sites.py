"""Where a Linen model drops, found by tracing a call."""

import inspect
from functools import partial
from typing import Any

import jax
from flax import linen as nn

from jaxdrop.flax_shared import Site


def dropout_sites(model: nn.Module, *inputs: Any, **keywords: Any) -> list[Site]:
    """Lists every place where a call of a Linen model drops: path, class, rate, stream and mode.

    Linen builds its modules as it calls them, so the call is traced, with `model.init`; nothing is
    computed. Sites are all of `flax.linen.Dropout` and its subclasses, which jaxdrop's modules are,
    and every Linen attention whose dropout rate is not 0. A site that is called twice is listed
    twice; a rate that is passed at the call, or traced, is not seen.

    Args:
      model: a Linen module.
      *inputs: what it is called on, arrays or `jax.ShapeDtypeStruct`s.
      **keywords: more of it; `train=True` where the model has such a flag.

    Returns:
      A list of `Site`, in the order of the calls.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from jaxdrop.linen import Dropout, dropout_sites
      >>> model = nn.Sequential([nn.Dense(3), nn.relu, Dropout(0.5, deterministic=False)])
      >>> for site in dropout_sites(model, jnp.ones((2, 4))):
      ...     print(*site)
      ('layers_2',) Dropout 0.5 dropout False
    """
    found: list[Site] = []

    def look(call: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        if context.method_name == "__call__" and _is_site(context.module):
            found.append(_describe(context, arguments, keywords))
        return call(*arguments, **keywords)

    with nn.intercept_methods(look):
        jax.eval_shape(partial(model.init, **keywords), jax.random.key(0), *inputs)
    return found


def _is_site(module: Any) -> bool:
    attention = isinstance(module, nn.MultiHeadDotProductAttention) and module.dropout_rate != 0
    return isinstance(module, nn.Dropout) or attention


def _describe(context: Any, arguments: Any, keywords: Any) -> Site:
    module, call = context.module, inspect.signature(context.orig_method)
    passed = call.bind(*arguments, **keywords).arguments.get("deterministic")
    mode = module.deterministic if passed is None else passed
    rate = module.rate if isinstance(module, nn.Dropout) else module.dropout_rate
    stream = getattr(module, "rng_collection", "dropout")
    return Site(module.path, type(module).__name__, rate, stream, mode)
