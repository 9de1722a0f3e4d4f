"""Convolutions one after the other, some of them pooled, then dense layers."""

from dataclasses import dataclass
from itertools import pairwise

import jax
from flax import nnx
from jaxtyping import Array, Float, Key

from experiments.errors import expect
from experiments.models.base import Drop
from experiments.models.images import (
    Dense,
    ImageArchitecture,
    ImageModel,
    Maps,
    Norm,
    conv,
    dense_sites,
    drop_maps,
    map_sites,
    pooled,
)


@dataclass(frozen=True)
class Layer:
    """A convolution: its site comes after the activation, before any pooling."""

    site: str
    features: int
    kernel: int = 3
    stride: int = 1
    pool: bool = False
    pool_site: str | None = None

    @property
    def sites(self) -> tuple[str, ...]:
        """Elements and maps."""
        after = () if self.pool_site is None else map_sites(self.pool_site)
        return *map_sites(self.site), *after

    def side(self, side: int) -> int:
        """How long a side of the map is afterwards."""
        side = -(-side // self.stride)
        return side // 2 if self.pool else side


class Stacked(ImageArchitecture):
    """How to build a `ConvNet`: what a subclass declares anew of these is a field of it."""

    hidden: tuple[int, ...] = ()
    """Widths of hidden dense layers."""
    norm: bool = False
    """Batch norm after each convolution, before the activation."""
    global_pool: bool = False
    """The mean of each map goes into the dense layers, in place of its elements."""
    ends: bool = True
    """Whether there are sites at the image and at what goes into the dense layers."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its convolutions."""
        raise NotImplementedError

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        convs = [site for layer in self.layers for site in layer.sites]
        first, last = (("input",), ("dense",)) if self.ends else ((), ())
        return *first, *convs, *last, *dense_sites(len(self.hidden))

    @property
    def flat(self) -> int:
        """How many numbers go into the dense layers."""
        height, width, _ = self.image
        for layer in self.layers:
            height, width = layer.side(height), layer.side(width)
        image = "x".join(map(str, self.image))
        expect(min(height, width) > 0, f"layers that {image} allows", "more pooling than that")
        return self.layers[-1].features * (1 if self.global_pool else height * width)

    def build(self, key: Key[Array, ""]) -> "ConvNet":
        """A model with fresh weights."""
        return ConvNet(self, rngs=nnx.Rngs(key))


class ConvNet(ImageModel):
    """The network."""

    def __init__(self, config: Stacked, *, rngs: nnx.Rngs) -> None:
        """With a batch norm, a convolution needs no bias."""
        self.image, self.config, layers = config.image, config, config.layers
        channels = pairwise((self.image[-1], *(layer.features for layer in layers)))
        options = {"use_bias": not config.norm, "rngs": rngs}
        self.convs = nnx.List(
            conv(*pair, layer.kernel, strides=layer.stride, **options)
            for pair, layer in zip(channels, layers, strict=True)
        )
        self.norms = nnx.List(Norm(layer.features, config.norm, rngs=rngs) for layer in layers)
        self.dense = Dense(config.flat, config.hidden, config.classes, rngs=rngs)

    def logits(self, x: Maps, drop: Drop) -> Float[Array, "batch classes"]:
        """Those of a batch of images."""
        x = self._end("input", x.reshape(len(x), -1), drop).reshape(x.shape)
        for layer, filters, norm in zip(self.config.layers, self.convs, self.norms, strict=True):
            x = drop_maps(drop, layer.site, jax.nn.relu(norm(filters(x), drop)))
            x = pooled(x) if layer.pool else x
            x = x if layer.pool_site is None else drop_maps(drop, layer.pool_site, x)
        x = x.mean((1, 2)) if self.config.global_pool else x.reshape(len(x), -1)
        return self.dense(self._end("dense", x, drop), drop)

    def _end(self, site: str, x: Array, drop: Drop) -> Array:
        return drop(site, x) if self.config.ends else x
