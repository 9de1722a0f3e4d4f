"""Dropout for JAX: pure functions with explicit keys, masks at the cost of a memory copy."""

# ruff: noqa: I001 - grouped by purpose, not by name

# The operators: units.
from jaxdrop.alpha import alpha_dropout as alpha_dropout  # for SELU: mean and variance stay
from jaxdrop.alpha import feature_alpha_dropout as feature_alpha_dropout  # the same, whole maps
from jaxdrop.dropout import dropout as dropout  # elements
from jaxdrop.exact import exact_dropout as exact_dropout  # exactly so many along an axis
from jaxdrop.targeted import targeted_dropout as targeted_dropout  # among the least in magnitude
from jaxdrop.units import spatial_dropout as spatial_dropout  # whole feature maps

# The operators: noise without a mask, and a rate that is learned.
from jaxdrop.concrete import concrete_dropout as concrete_dropout  # soft, to learn the rate
from jaxdrop.concrete import concrete_regularizer as concrete_regularizer  # its part of the loss
from jaxdrop.noise import gaussian_dropout as gaussian_dropout  # multiplied
from jaxdrop.noise import gaussian_noise as gaussian_noise  # added

# The classical convention: dropout(..., scale=False) in training.
from jaxdrop.classical import classical_inference as classical_inference  # shrink at inference

# Keys.
from jaxdrop.keys import shard_key as shard_key  # one for each shard inside jax.shard_map

# Masks as values.
from jaxdrop.antithetic import complementary_masks as complementary_masks  # draw a pair
from jaxdrop.masks import apply_mask as apply_mask  # replay one, with its scale
from jaxdrop.masks import keep_mask as keep_mask  # draw one
