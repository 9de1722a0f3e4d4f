"""The modules of both Flax adapters: how each is made and called."""

from collections.abc import Callable
from typing import Any

import jax
import pytest

import jaxdrop
import jaxdrop.linen
import jaxdrop.nnx

KEY, X = jax.random.key(0), jax.random.normal(jax.random.key(3), (4, 6, 6, 8))
TABLE: dict[str, dict[str, Any]] = {
    "Dropout": {"broadcast_dims": (1,), "bits": 8},
    "SpatialDropout": {"channel_dim": 1, "batch_dim": None},
    "AlphaDropout": {"broadcast_dims": (2,), "bits": 32},
    "FeatureAlphaDropout": {"channel_dim": 1},
    "AttentionDropout": {"broadcast_dims": (0,)},
    "ExactDropout": {"axis": 0},
    "TargetedDropout": {"target_share": 0.5, "axis": 1, "scale": True},
    "DropPath": {"batch_dim": 1, "scale": False},
    "DropBlock": {"block_size": [2, 3], "shared_channels": True},
    "TokenDropout": {"keep_first": 2, "mode": "remove"},
    "LockedDropout": {"time_dim": 1},
    "EmbeddingDropout": {},
    "GaussianDropout": {"broadcast_dims": (1,)},
    "GaussianNoise": {"broadcast_dims": (1,)},
}
LINEN = [name for name in TABLE if hasattr(jaxdrop.linen, name)]


def function_of(name: str) -> Callable[..., jax.Array]:
    """The function whose name in CamelCase is the module's."""
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")
    return getattr(jaxdrop, snake)


def make(name: str, rate: Any = 0.4, **options: Any) -> Any:
    return getattr(jaxdrop.nnx, name)(rate, **TABLE[name], **options)


def call_linen(name: str, rate: Any = 0.4, x: Any = X, **call: Any) -> Any:
    module = getattr(jaxdrop.linen, name)(rate, **TABLE[name], deterministic=False)
    return module.apply({}, x, **call)


every = pytest.mark.parametrize("name", TABLE)
every_linen = pytest.mark.parametrize("name", LINEN)
