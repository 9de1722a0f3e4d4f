"""What is trained and what comes out of it: the types that the compiled programs share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt32

from experiments.data.images import Dataset
from experiments.models import Architecture, Drop
from experiments.training.recipe import Recipe

BLOCKS = 10  # at most: each ends with a measurement, which costs about as much as an epoch
Numbers = Float[Array | np.ndarray, "..."]


class Trained(NamedTuple):
    """One trained network, as probes see it."""

    architecture: Architecture
    params: nnx.State
    rest: nnx.State
    recipe: Recipe

    def logits(self, x: Array, key: Key[Array, ""] | None = None) -> Array:
        """In evaluation, without dropout or with it left on."""
        model = self.architecture.bind(self.params, self.rest)
        return model(x, Drop(self.architecture.sites, self.recipe.rates, key))


Probe = Callable[[Trained, Dataset, Key[Array, ""]], dict[str, Array]]
"""It is given the network's own training images; what it finds is a number, or one for each test
image."""


@dataclass(frozen=True)
class Plan:
    """What fixes the compiled program."""

    architecture: Architecture
    train_size: int
    """Images that a seed trains on, or holds out."""
    batch_size: int
    steps_per_epoch: int
    epochs: int
    blocks: int = BLOCKS
    """Into how many parts training is cut at most; metrics are taken at the end of each."""
    held_out: int = 0
    """Of its images the last ones, kept to stop early by; with none, no arm does."""
    image: tuple[int, int, int] | None = None
    """Shape of an image, if images are augmented."""
    probe: Probe | None = None
    """What else is measured."""

    @property
    def ends(self) -> list[int]:
        """After which epochs the metrics are taken."""
        return block_ends(self.epochs, self.blocks)


class Problem(NamedTuple):
    """What all networks share."""

    data: Dataset
    seed: UInt32[Array | np.ndarray, ""]


class Rows(NamedTuple):
    """What they differ in: a row is a seed with a group of arms."""

    seeds: Int[Array | np.ndarray, " rows"]
    recipes: Recipe
    """Each leaf begins with rows and arms."""
    images: Int[Array | np.ndarray, "rows images"]
    """Which of the pool a row trains on."""


class Best(NamedTuple):
    """The best network so far by the loss on held-out images, and for how long it has been."""

    params: nnx.State
    rest: nnx.State
    loss: Float[Array, ""]
    since: Int[Array, ""]


class TrainState(NamedTuple):
    """What training carries on; every leaf begins with rows and arms."""

    params: nnx.State
    rest: nnx.State
    """What a model holds besides, such as the running moments of batch norm."""
    optimizer: optax.OptState
    best: Best | tuple[()] = ()


class Metrics(NamedTuple):
    """Measured without dropout; of real targets the mean absolute and squared errors."""

    train_accuracy: Numbers
    train_nll: Numbers
    test_accuracy: Numbers
    test_nll: Numbers


def block_ends(epochs: int, blocks: int = BLOCKS) -> list[int]:
    """After which epochs the metrics are taken."""
    blocks = min(epochs, blocks)
    return [epochs * (index + 1) // blocks for index in range(blocks)]
