"""What image models share: flat images in, logits out, and the layers in between.

Convolutions are followed by ReLU, and begin and end with the channels on the last axis.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import jaxdrop
from experiments.models.base import Architecture, Drop
from experiments.models.convolution import conv_general_dilated

MOMENTUM = 0.9
"""Of the running moments. At Flax's 0.99 they would still be fresh after the first epochs."""

Maps = Float[Array, "batch height width channels"]


@dataclass(frozen=True)
class ImageArchitecture(Architecture):
    """How to build a model of flat images."""

    image: tuple[int, int, int]
    """Height, width, channels."""
    classes: int

    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of one image."""
        height, width, channels = self.image
        return jax.ShapeDtypeStruct((height * width * channels,), jnp.float32)


class ImageModel(nnx.Module):
    """A model that sees flat images as such."""

    image: tuple[int, int, int]

    def __call__(self, x: Float[Array, "*batch inputs"], drop: Drop) -> Array:
        """The logits."""
        return self.logits(x.reshape(-1, *self.image), drop).reshape(*x.shape[:-1], -1)

    def logits(self, x: Maps, drop: Drop) -> Float[Array, "batch classes"]:
        """Those of a batch of images."""
        raise NotImplementedError


class Norm(nnx.Module):
    """Batch norm, or nothing: by the batch in training, by the running moments else."""

    def __init__(self, features: int, on: bool, *, rngs: nnx.Rngs) -> None:
        """Whether it is `on` is a part of the architecture."""
        self.norm = nnx.BatchNorm(features, momentum=MOMENTUM, rngs=rngs) if on else None
        self.watch: Callable[[Maps], None] | None = None

    def __call__(self, x: Maps, drop: Drop) -> Maps:
        """Normalises each channel; `watch` is told of what comes in."""
        if self.norm is None:
            return x
        if self.watch is not None:
            self.watch(x)
        return self.norm(x, use_running_average=not drop.training)


class Dense(nnx.Module):
    """Dense layers: a site `dense1`, `dense2`, ... after each hidden one."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int, *, rngs: nnx.Rngs):
        """Takes the sizes of all layers."""
        pairs = pairwise((inputs, *hidden))
        self.hidden = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in pairs])
        self.last = nnx.Linear((inputs, *hidden)[-1], classes, rngs=rngs)

    def __call__(self, x: Float[Array, "batch features"], drop: Drop) -> Array:
        """The logits."""
        for site, linear in zip(dense_sites(len(self.hidden)), self.hidden, strict=True):
            x = drop(site, jax.nn.relu(linear(x)))
        return self.last(x)


def dense_sites(layers: int) -> tuple[str, ...]:
    """The sites of so many hidden dense layers."""
    return tuple(f"dense{layer}" for layer in range(1, layers + 1))


def map_sites(site: str) -> tuple[str, str]:
    """The two sites where maps are dropped: elements and whole maps, compared in one program."""
    return f"{site}.element", f"{site}.spatial"


def drop_maps(drop: Drop, site: str, x: Maps) -> Maps:
    """Drops at both."""
    element, spatial = map_sites(site)
    return drop(spatial, drop(element, x), jaxdrop.spatial_dropout, channel_dim=-1)


def conv(inputs: int, features: int, kernel: int, *, rngs: nnx.Rngs, **options: Any) -> nnx.Conv:
    """A convolution in a square window, padded so that the map stays as large."""
    options["conv_general_dilated"] = conv_general_dilated
    return nnx.Conv(inputs, features, (kernel, kernel), **options, rngs=rngs)


def pooled(x: Maps) -> Maps:
    """Maxima of 2×2 windows; an odd edge is left out."""
    batch, height, width, channels = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
