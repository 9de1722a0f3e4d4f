"""Dropout for JAX: pure functions with explicit keys, masks at the cost of a memory copy."""

from jaxdrop.dropout import dropout as dropout
from jaxdrop.masks import apply_mask as apply_mask
from jaxdrop.masks import keep_mask as keep_mask
