"""Flax Linen: a module for every operator on activations.

All are made and called alike: the rate first, then the options of the function by name.

Example:
  >>> import jax, jax.numpy as jnp
  >>> from jaxdrop.linen import DropBlock
  >>> layer, x = DropBlock(0.2, block_size=3, deterministic=False), jnp.ones((2, 8, 8, 3))
  >>> layer.apply({}, x, rngs={"dropout": jax.random.key(0)}).shape
  (2, 8, 8, 3)
"""

# ruff: noqa: I001 - grouped by purpose, not by name

from jaxdrop.linen.base import DropModule as DropModule  # what they share, to make your own
from jaxdrop.linen.catalogue import AlphaDropout as AlphaDropout
from jaxdrop.linen.catalogue import AttentionDropout as AttentionDropout
from jaxdrop.linen.catalogue import DropBlock as DropBlock
from jaxdrop.linen.catalogue import DropPath as DropPath
from jaxdrop.linen.catalogue import Dropout as Dropout
from jaxdrop.linen.catalogue import ExactDropout as ExactDropout
from jaxdrop.linen.catalogue import FeatureAlphaDropout as FeatureAlphaDropout
from jaxdrop.linen.catalogue import GaussianDropout as GaussianDropout
from jaxdrop.linen.catalogue import GaussianNoise as GaussianNoise
from jaxdrop.linen.catalogue import LockedDropout as LockedDropout
from jaxdrop.linen.catalogue import SpatialDropout as SpatialDropout
from jaxdrop.linen.catalogue import TargetedDropout as TargetedDropout
from jaxdrop.linen.catalogue import TokenDropout as TokenDropout

from jaxdrop.linen.attention import dot_product_attention as dot_product_attention

# Sampling models, and looking at them.
from jaxdrop.linen.predict import predict as predict  # a model as a function of a key
from jaxdrop.flax_shared import Site as Site
from jaxdrop.linen.sites import dropout_sites as dropout_sites  # path, class, rate, stream, mode
