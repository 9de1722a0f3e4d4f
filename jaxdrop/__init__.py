"""Dropout for JAX: pure functions with explicit keys, masks at the cost of a memory copy."""

# The operators.
from jaxdrop.dropout import dropout as dropout  # elements

# Keys.
from jaxdrop.keys import shard_key as shard_key  # one for each shard inside jax.shard_map

# Masks as values.
from jaxdrop.masks import apply_mask as apply_mask  # replay one, with its scale
from jaxdrop.masks import keep_mask as keep_mask  # draw one
