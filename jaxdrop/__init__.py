"""Dropout for JAX: pure functions with explicit keys, masks at the cost of a memory copy."""

# Rates over depth and over steps.
from jaxdrop import rates as rates

# The operators.
from jaxdrop.attention import attention_dropout as attention_dropout  # attention weights
from jaxdrop.dropout import dropout as dropout  # elements

# Keys.
from jaxdrop.keys import derive as derive  # one for each step, layer and micro-batch
from jaxdrop.keys import shard_key as shard_key  # one for each shard inside jax.shard_map

# Losses.
from jaxdrop.losses import r_drop_loss as r_drop_loss  # how far two passes disagree

# Masks as values.
from jaxdrop.masks import apply_mask as apply_mask  # replay one, with its scale
from jaxdrop.masks import keep_mask as keep_mask  # draw one

# Paths: residual branches and feature maps.
from jaxdrop.paths import drop_block as drop_block  # contiguous blocks
from jaxdrop.paths import drop_path as drop_path  # whole branches: stochastic depth

# Sequences.
from jaxdrop.sequences import locked_dropout as locked_dropout  # one mask for all times
from jaxdrop.sequences import zoneout as zoneout  # units keep their previous state
from jaxdrop.sequences import zoneout_inference as zoneout_inference  # its expectation
from jaxdrop.tokens import token_dropout as token_dropout  # whole tokens, masked or removed

# Weights.
from jaxdrop.weights import drop_connect as drop_connect  # single weights, of pytrees too
from jaxdrop.weights import embedding_dropout as embedding_dropout  # whole words
