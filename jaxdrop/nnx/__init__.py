"""Flax NNX: a module for every operator, and dropout in models that were built without.

All are made and called alike: the rate first, then the options of the function by name.

Example:
  >>> import jax.numpy as jnp
  >>> from flax import nnx
  >>> from jaxdrop.nnx import DropBlock, DropPath
  >>> rngs, x = nnx.Rngs(0), jnp.ones((2, 8, 8, 3))
  >>> model = nnx.Sequential(DropBlock(0.2, block_size=3, rngs=rngs), DropPath(0.5, rngs=rngs))
  >>> model(x).shape
  (2, 8, 8, 3)
  >>> model.eval()
  >>> bool((model(x) == x).all())
  True
"""

# ruff: noqa: I001 - grouped by purpose, not by name

# The modules: each is named as its function, and holds its options.
from jaxdrop.nnx.base import DropModule as DropModule  # what they share, to make your own
from jaxdrop.nnx.base import DropRate as DropRate  # array and traced rates, as state
from jaxdrop.nnx.catalogue import AlphaDropout as AlphaDropout
from jaxdrop.nnx.catalogue import AttentionDropout as AttentionDropout
from jaxdrop.nnx.catalogue import ConcreteDropout as ConcreteDropout
from jaxdrop.nnx.attention import DotProductAttention as DotProductAttention
from jaxdrop.nnx.attention import dot_product_attention as dot_product_attention
from jaxdrop.nnx.catalogue import DropBlock as DropBlock
from jaxdrop.nnx.catalogue import DropPath as DropPath
from jaxdrop.nnx.catalogue import Dropout as Dropout
from jaxdrop.nnx.catalogue import EmbeddingDropout as EmbeddingDropout
from jaxdrop.nnx.catalogue import ExactDropout as ExactDropout
from jaxdrop.nnx.catalogue import FeatureAlphaDropout as FeatureAlphaDropout
from jaxdrop.nnx.catalogue import GaussianDropout as GaussianDropout
from jaxdrop.nnx.catalogue import GaussianNoise as GaussianNoise
from jaxdrop.nnx.catalogue import LockedDropout as LockedDropout
from jaxdrop.nnx.catalogue import SpatialDropout as SpatialDropout
from jaxdrop.nnx.catalogue import TargetedDropout as TargetedDropout
from jaxdrop.nnx.catalogue import TokenDropout as TokenDropout
from jaxdrop.nnx.catalogue import Zoneout as Zoneout
from jaxdrop.nnx.wrappers import DropConnect as DropConnect  # around any module
from jaxdrop.nnx.recurrent import VariationalRNN as VariationalRNN  # locked masks in recurrence

# Sampling models, looking at them, and changing them.
from jaxdrop.nnx.predict import predict as predict  # a model as a function of a key
from jaxdrop.flax_shared import Site as Site
from jaxdrop.nnx.sites import dropout_sites as dropout_sites  # path, class, rate, stream, mode
from jaxdrop.nnx.surgery import Place as Place  # what a rule of your own returns
from jaxdrop.nnx.surgery import insert as insert  # by a rule
from jaxdrop.nnx.surgery import remove as remove
from jaxdrop.nnx.rules import after as after  # every module of a class
from jaxdrop.nnx.rules import after_activations as after_activations
from jaxdrop.nnx.rules import before_last as before_last  # the last linear layer, for instance
from jaxdrop.nnx.rules import in_attention as in_attention  # on the attention weights
from jaxdrop.nnx.rules import on_branches as on_branches  # on every residual branch
