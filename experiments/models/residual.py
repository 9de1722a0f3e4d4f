"""Residual networks, with sites around each batch norm and on each branch.

A block is convolution, norm, ReLU, convolution, norm; its input is added, by a 1×1 convolution
where the shape differs, and ReLU follows. Sites of block 1, and so on:

- `before_norm1`: before each of its two norms;
- `after_norm1`: after each ReLU that follows a norm, so after the sum, too;
- `branch1.element` and `branch1.path`: on the branch, just before the sum, elements or all of it.

The two places of `before_norm1` and `after_norm1` have masks of their own. At the end `last`, on
what goes into the head, after all norms; with a dense head, `dense1` after its hidden layer.

References:
  He et al., Deep Residual Learning for Image Recognition, 2016.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import jax
from flax import nnx
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.models.base import Drop
from experiments.models.images import (
    Dense,
    ImageArchitecture,
    ImageModel,
    Maps,
    Norm,
    conv,
    dense_sites,
)


class Block(nnx.Module):
    """A residual block."""

    def __init__(
        self, name: int, sizes: tuple[int, int], stride: int, norm: bool, *, rngs: nnx.Rngs
    ) -> None:
        """Takes its number, from 1, and the features that come in and go out."""
        inputs, features = sizes
        strides = (stride, 1)
        self.name, options = name, {"use_bias": not norm, "rngs": rngs}
        channels = pairwise((inputs, features, features))
        pairs = zip(channels, strides, strict=True)
        self.convs = nnx.List([conv(*pair, 3, strides=step, **options) for pair, step in pairs])
        self.norms = nnx.List([Norm(features, norm, rngs=rngs) for _ in strides])
        same = (inputs, 1) == (features, stride)
        self.shortcut = None if same else conv(*sizes, 1, strides=stride, rngs=rngs)

    def __call__(self, x: Maps, drop: Drop) -> Maps:
        """The sum of branch and shortcut."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        x = self._activated(0, self._normed(0, x, drop), drop)
        x = drop(f"branch{self.name}.element", self._normed(1, x, drop))
        x = drop(f"branch{self.name}.path", x, jaxdrop.drop_path, mode="row")
        return self._activated(1, shortcut + x, drop)

    def _normed(self, place: int, x: Maps, drop: Drop) -> Maps:
        x = self._drop("before_norm", place, self.convs[place](x), drop)
        return self.norms[place](x, drop)

    def _activated(self, place: int, x: Maps, drop: Drop) -> Maps:
        return self._drop("after_norm", place, jax.nn.relu(x), drop)

    def _drop(self, side: str, place: int, x: Maps, drop: Drop) -> Maps:
        site = f"{side}{self.name}"
        return drop(site, x, draw=drop.draw(site, place))


class ResNet(ImageModel):
    """A residual network."""

    def __init__(self, architecture: "Residual", *, rngs: nnx.Rngs) -> None:
        """A stem, the blocks, the head."""
        self.image, self.global_pool = architecture.image, architecture.head == "global_pool"
        norm, features = architecture.norm, architecture.features
        options = {"strides": architecture.stride, "use_bias": not norm, "rngs": rngs}
        self.stem = conv(self.image[-1], features[0], 3, **options)
        self.norm = Norm(features[0], norm, rngs=rngs)
        shapes = zip(pairwise((features[0], *features)), architecture.strides, strict=True)
        self.blocks = nnx.List(
            Block(i, *shape, norm, rngs=rngs) for i, shape in enumerate(shapes, 1)
        )
        sizes = architecture.flat, architecture.hidden, architecture.classes
        self.dense = Dense(*sizes, rngs=rngs)

    def logits(self, x: Maps, drop: Drop) -> Float[Array, "batch classes"]:
        """Those of a batch of images."""
        x = jax.nn.relu(self.norm(self.stem(x), drop))
        for block in self.blocks:
            x = block(x, drop)
        x = x.mean((1, 2)) if self.global_pool else x.reshape(len(x), -1)
        return self.dense(drop("last", x), drop)


@dataclass(frozen=True)
class Residual(ImageArchitecture):
    """How to build a `ResNet`."""

    features: tuple[int, ...] = (16, 32)
    """Of each block; where they grow, the map is halved while more than 2×2 is left of it."""
    head: Literal["global_pool", "dense"] = "global_pool"
    """The mean of each map and a linear layer, or all elements and a hidden layer before it."""
    width: int = 128
    """Of the hidden layer of a dense head."""
    norm: bool = True
    """Whether there is any batch norm."""
    stride: int = 1
    """Of the stem, the first convolution."""

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        kinds = "before_norm{}", "after_norm{}", "branch{}.element", "branch{}.path"
        blocks = range(1, len(self.features) + 1)
        inner = (kind.format(block) for block in blocks for kind in kinds)
        return *inner, "last", *dense_sites(len(self.hidden))

    @property
    def strides(self) -> tuple[int, ...]:
        """Of each block."""
        side, strides = -(-min(self.image[:2]) // self.stride), []
        for before, after in pairwise((self.features[0], *self.features)):
            strides.append(2 if after > before and side > 2 else 1)
            side = -(-side // strides[-1])
        return tuple(strides)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of hidden dense layers."""
        return (self.width,) if self.head == "dense" else ()

    @property
    def flat(self) -> int:
        """How many numbers go into the head."""
        if self.head == "global_pool":
            return self.features[-1]
        height, width, _ = self.image
        for stride in (self.stride, *self.strides):
            height, width = -(-height // stride), -(-width // stride)
        return self.features[-1] * height * width

    def build(self, key: Key[Array, ""]) -> ResNet:
        """A model with fresh weights."""
        return ResNet(self, rngs=nnx.Rngs(key))
