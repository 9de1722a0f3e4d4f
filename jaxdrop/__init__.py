"""Dropout for JAX: pure functions with explicit keys, masks at the cost of a memory copy.

Keys and rates:
  A key is one key, typed (`jax.random.key`) or legacy (`uint32[2]`), of any PRNG implementation;
  threefry2x32 is the fast one. A rate is the probability to drop, in [0, 1]: a number, or an array
  that broadcasts to what is drawn, where tied axes have size 1. A wrong one, outside [0, 1] or of
  another shape, is refused; a traced one cannot be checked: it is clipped, and NaN counts as 1.
  Rate 0 returns the data bit for bit; at rate 1 all is dropped, with a zero gradient. No gradient
  flows to a rate.
"""

# ruff: noqa: I001 - grouped by purpose, not by name

# The operators: units.
from jaxdrop.alpha import alpha_dropout as alpha_dropout  # for SELU: mean and variance stay
from jaxdrop.alpha import feature_alpha_dropout as feature_alpha_dropout  # the same, whole maps
from jaxdrop.dropout import dropout as dropout  # elements
from jaxdrop.dropout import classical_inference as classical_inference  # of dropout(scale=False)
from jaxdrop.exact import exact_dropout as exact_dropout  # exactly so many along an axis
from jaxdrop.targeted import targeted_dropout as targeted_dropout  # among the least in magnitude
from jaxdrop.units import attention_dropout as attention_dropout  # attention weights
from jaxdrop.attention import dot_product_attention as dot_product_attention  # in linear memory
from jaxdrop.units import spatial_dropout as spatial_dropout  # whole feature maps

# The operators: paths, sequences, weights.
from jaxdrop.paths import drop_block as drop_block  # contiguous blocks
from jaxdrop.paths import drop_path as drop_path  # whole branches: stochastic depth
from jaxdrop.sequences import locked_dropout as locked_dropout  # one mask for all times
from jaxdrop.sequences import zoneout as zoneout  # units keep their previous state
from jaxdrop.sequences import zoneout_inference as zoneout_inference  # its expectation
from jaxdrop.tokens import token_dropout as token_dropout  # whole tokens, masked or removed
from jaxdrop.weights import drop_connect as drop_connect  # single weights, of pytrees too
from jaxdrop.weights import embedding_dropout as embedding_dropout  # whole words

# Noise without a mask, a rate that is learned, and a loss.
from jaxdrop.concrete import concrete_dropout as concrete_dropout  # soft, to learn the rate
from jaxdrop.concrete import concrete_regularizer as concrete_regularizer  # its part of the loss
from jaxdrop.noise import gaussian_dropout as gaussian_dropout  # multiplied
from jaxdrop.noise import gaussian_noise as gaussian_noise  # added

from jaxdrop.losses import r_drop_loss as r_drop_loss  # how far two passes disagree

# Masks as values.
from jaxdrop.masks import keep_mask as keep_mask  # draw one
from jaxdrop.masks import complementary_masks as complementary_masks  # draw a pair
from jaxdrop.masks import apply_mask as apply_mask  # replay one, with its scale

# Keys, and rates over depth and over steps.
from jaxdrop import montecarlo as montecarlo  # samples with dropout on, and what they are worth
from jaxdrop import rates as rates
from jaxdrop.keys import derive as derive  # one for each step, layer and micro-batch
from jaxdrop.keys import shard_key as shard_key  # one for each shard inside jax.shard_map

# The modules: `jaxdrop.nnx` and `jaxdrop.linen` load Flax, and are loaded on first use.
from importlib import import_module as _import_module
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

__version__ = "0.2.0"

_ADAPTERS = {"linen", "nnx"}
_OPERATORS = {name for name, value in globals().items() if callable(value) and name[0] != "_"}

if _TYPE_CHECKING:
    from jaxdrop import linen as linen
    from jaxdrop import nnx as nnx
else:

    def __getattr__(name):
        if name in _ADAPTERS:
            return _import_module(f"jaxdrop.{name}")
        message = f"module 'jaxdrop' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=_sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted(_OPERATORS | _ADAPTERS | {"montecarlo", "rates"})
