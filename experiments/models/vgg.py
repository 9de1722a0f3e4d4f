"""Blocks of convolutions, each pooled, then wide dense layers: VGG, and in the way of AlexNet.

Sites: `conv1_2.element` and `conv1_2.spatial` after the second convolution of block 1, and so on;
`dense1`, `dense2` after the wide layers, where both papers drop at 0.5.

References:
  Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2015.
  Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012.
"""

from dataclasses import dataclass
from typing import Self

from experiments.models.stack import Layer, Stacked

VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
ALEXNET = ((1, 96), (1, 256), (3, 384))


@dataclass(frozen=True)
class Vgg(Stacked):
    """How to build one; by default small."""

    blocks: tuple[tuple[int, int], ...] = ((1, 16), (1, 32))
    """How many convolutions each block has, of how many features."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the dense layers before the classifier."""
    kernel: int = 3
    """Side of the window of the first convolution; it is 3 in all others."""
    stride: int = 1
    """Of the first convolution."""
    ends = False

    @classmethod
    def vgg16(cls, image: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> Self:
        """The published one, of 138 million parameters: 25088-4096-4096-1000 at its end."""
        return cls(image, classes, VGG16, (4096, 4096))

    @classmethod
    def alexnet(cls, image: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> Self:
        """As AlexNet, with its large first window; but pooled and padded as VGG is."""
        return cls(image, classes, ALEXNET, (4096, 4096), 11, 4)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its convolutions."""
        return tuple(
            Layer(f"conv{block}_{index}", features, *self._window(block, index), index == convs)
            for block, (convs, features) in enumerate(self.blocks, 1)
            for index in range(1, convs + 1)
        )

    def _window(self, block: int, index: int) -> tuple[int, int]:
        return (self.kernel, self.stride) if (block, index) == (1, 1) else (3, 1)
