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
from experiments.models.base import Architecture, Drop


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
        query, key, value = split.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2) / jnp.sqrt(query.shape[-1])
        site = f"attention{self.index}"
        kept = drop(site, jax.nn.softmax(scores), jaxdrop.attention_dropout)
        return (kept @ value).swapaxes(1, 2).reshape(batch, tokens, width)

    def _branch(self, drop: Drop, place: int, x: Array) -> Array:
        """Each of the two has draws of its own."""
        for site, operator in (("residual", jaxdrop.dropout), ("path", jaxdrop.drop_path)):
            name = f"{site}{self.index}"
            x = drop(name, x, operator, draw=drop.draw(name, place))
        return x


class Transformer(nnx.Module):
    """The model."""

    def __init__(self, config: "VisionTransformer", *, rngs: nnx.Rngs) -> None:
        """Builds all blocks."""
        self.config, width = config, config.width
        side, tokens = config.patch, config.tokens
        self.embed = nnx.Linear(side * side * config.image[-1], width, rngs=rngs)
        self.places = nnx.Param(0.02 * jax.random.normal(rngs.params(), (tokens, width)))
        self.blocks = nnx.List(
            Block(index, width, config.heads, config.ratio, rngs=rngs)
            for index in range(1, config.blocks + 1)
        )
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, config.classes, rngs=rngs)

    def __call__(self, x: Float[Array, "*batch inputs"], drop: Drop) -> Array:
        """The logits."""
        tokens = self.embed(self._patches(x)) + self.places[...][None]
        tokens = drop("patches", tokens, jaxdrop.token_dropout)
        for block in self.blocks:
            tokens = block(tokens, drop)
        logits = self.head(self.norm(tokens).mean(1))
        return logits.reshape(*x.shape[:-1], -1)

    def _patches(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "images tokens numbers"]:
        (height, width, channels), side = self.config.image, self.config.patch
        x = x.reshape(-1, height // side, side, width // side, side, channels)
        return x.swapaxes(2, 3).reshape(len(x), self.config.tokens, -1)


@dataclass(frozen=True)
class VisionTransformer(Architecture):
    """How to build a `Transformer`; `patch` divides both sides of an image."""

    image: tuple[int, int, int]
    classes: int
    patch: int = 2
    width: int = 32
    heads: int = 4
    blocks: int = 2
    ratio: int = 2

    @property
    def tokens(self) -> int:
        """How many patches there are."""
        return (self.image[0] // self.patch) * (self.image[1] // self.patch)

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        kinds = ("attention", "residual", "path", "mlp")
        blocks = range(1, self.blocks + 1)
        return ("patches", *(f"{kind}{block}" for block in blocks for kind in kinds))

    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of one input."""
        height, width, channels = self.image
        return jax.ShapeDtypeStruct((height * width * channels,), jnp.float32)

    def build(self, key: Key[Array, ""]) -> Transformer:
        """A model with fresh weights."""
        return Transformer(self, rngs=nnx.Rngs(key))
