"""A small vision transformer: patches, learnt places, pre-norm blocks, the mean over patches.

Sites: `patches` (whole patches), and in block b `attention{b}` (weights after the softmax),
`mlp{b}` (after its activation), `residual{b}` (elements of both branches) and `path{b}` (either
branch whole).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.errors import expect
from experiments.models.base import Drop
from experiments.models.images import ImageArchitecture, ImageModel, Maps


class Block(nnx.Module):
    """Attention and a perceptron, each added to what it reads."""

    def __init__(self, index: int, width: int, heads: int, ratio: int, *, rngs: nnx.Rngs) -> None:
        """Counts blocks from 1."""
        self.index, self.heads = index, heads
        self.first, self.second = (nnx.LayerNorm(width, rngs=rngs) for _ in range(2))
        self.mixed, self.out = (nnx.Linear(width, n * width, rngs=rngs) for n in (3, 1))
        self.up = nnx.Linear(width, ratio * width, rngs=rngs)
        self.down = nnx.Linear(ratio * width, width, rngs=rngs)

    def __call__(self, x: Float[Array, "batch tokens width"], drop: Drop) -> Array:
        """The same shape."""
        x = x + self._branch(drop, 0, self.out(self._attend(self.first(x), drop)))
        hidden = drop(f"mlp{self.index}", jax.nn.gelu(self.up(self.second(x))))
        return x + self._branch(drop, 1, self.down(hidden))

    def _attend(self, x: Float[Array, "batch tokens width"], drop: Drop) -> Array:
        batch, tokens, width = x.shape
        split = self.mixed(x).reshape(batch, tokens, 3, self.heads, -1)
        attended = drop.attend(f"attention{self.index}", *jnp.moveaxis(split, 2, 0))
        return attended.reshape(batch, tokens, width)

    def _branch(self, drop: Drop, place: int, x: Array) -> Array:
        """Each of the two has draws of its own."""
        for site, operator in (("residual", jaxdrop.dropout), ("path", jaxdrop.drop_path)):
            name = f"{site}{self.index}"
            x = drop(name, x, operator, draw=drop.draw(name, place))
        return x


class Transformer(ImageModel):
    """The model."""

    def __init__(self, config: "VisionTransformer", *, rngs: nnx.Rngs) -> None:
        """Builds all blocks."""
        self.image, self.patch, width = config.image, config.patch, config.width
        self.embed = nnx.Linear(self.patch**2 * self.image[-1], width, rngs=rngs)
        self.places = nnx.Param(0.02 * jax.random.normal(rngs.params(), (config.tokens, width)))
        self.blocks = nnx.List(
            Block(index, width, config.heads, config.ratio, rngs=rngs)
            for index in range(1, config.blocks + 1)
        )
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, config.classes, rngs=rngs)

    def logits(self, x: Maps, drop: Drop) -> Float[Array, "batch classes"]:
        """Those of a batch of images."""
        tokens = self.embed(self._patches(x)) + self.places[...][None]
        tokens = drop("patches", tokens, jaxdrop.token_dropout)
        for block in self.blocks:
            tokens = block(tokens, drop)
        return self.head(self.norm(tokens).mean(1))

    def _patches(self, x: Maps) -> Float[Array, "batch tokens numbers"]:
        (height, width, channels), side = self.image, self.patch
        x = x.reshape(-1, height // side, side, width // side, side, channels)
        return x.swapaxes(2, 3).reshape(len(x), len(self.places[...]), -1)


@dataclass(frozen=True)
class VisionTransformer(ImageArchitecture):
    """How to build a `Transformer`."""

    patch: int = 2
    """Pixels along its sides."""
    width: int = 32
    heads: int = 4
    blocks: int = 2
    ratio: int = 2
    """How many times wider the perceptrons are."""

    def __post_init__(self) -> None:
        """Checks what must come out even."""
        *sides, _ = self.image
        whole = all(side % self.patch == 0 for side in sides)
        expect(whole, f"sides that patches of {self.patch} divide", "x".join(map(str, sides)))
        expect(self.width % self.heads == 0, f"a width that {self.heads} heads divide", self.width)

    @property
    def tokens(self) -> int:
        """How many patches there are."""
        return (self.image[0] // self.patch) * (self.image[1] // self.patch)

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        kinds = ("attention", "mlp", "residual", "path")
        blocks = range(1, self.blocks + 1)
        return ("patches", *(f"{kind}{block}" for block in blocks for kind in kinds))

    def build(self, key: Key[Array, ""]) -> Transformer:
        """A model with fresh weights."""
        return Transformer(self, rngs=nnx.Rngs(key))
