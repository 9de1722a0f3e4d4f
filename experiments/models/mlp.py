"""The multilayer perceptron, with sites at its input, around each activation, at its logits."""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.models.base import Architecture, Drop

Activation = Literal["relu", "tanh", "gelu", "sigmoid", "selu"]
ACTIVATIONS = {name: getattr(jax.nn, name) for name in get_args(Activation)}

Kind = Literal["dropout", "alpha", "classical", "weights"]
OPERATORS = {
    "dropout": jaxdrop.dropout,
    "alpha": jaxdrop.alpha_dropout,
    "classical": partial(jaxdrop.dropout, scale=False),
    "weights": jaxdrop.drop_connect,
}


def mlp_sites(depth: int) -> tuple[str, ...]:
    """The sites of a multilayer perceptron: two to a hidden layer, and both ends."""
    hidden = (f"{side}{layer}" for layer in range(1, depth + 1) for side in ("pre", "post"))
    return ("input", *hidden, "logits")


class MLP(nnx.Module):
    """A multilayer perceptron.

    The sites of one layer share its key. The mask that falls before an activation is thus the one
    that falls after it, so the two placements differ by the activation alone.
    """

    def __init__(
        self, sizes: tuple[int, ...], activation: Activation, kind: Kind, *, rngs: nnx.Rngs
    ) -> None:
        """Takes the sizes of all layers, the input's and the output's among them."""
        pairs = list(itertools.pairwise(sizes))
        self.hidden = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in pairs[:-1]])
        self.head = nnx.Linear(*pairs[-1], rngs=rngs)
        self.activation = ACTIVATIONS[activation]
        self.kind = kind

    def __call__(self, x: Float[Array, "*batch inputs"], drop: Drop) -> Array:
        """The logits."""
        if self.kind == "weights":
            return self._with_weights_dropped(x, drop)
        x = self._drop(drop, "input", 0, x)
        for layer, linear in enumerate(self.hidden, 1):
            x = self._drop(drop, f"pre{layer}", layer, linear(x))
            x = self._drop(drop, f"post{layer}", layer, self.activation(x))
        return self._drop(drop, "logits", len(self.hidden) + 1, self.head(x))

    def _drop(self, drop: Drop, site: str, layer: int, x: Array) -> Array:
        if self.kind == "classical" and drop.key is None:
            return jaxdrop.classical_inference(x, drop.rate(site))
        return drop(site, x, OPERATORS[self.kind], draw=layer)

    def _with_weights_dropped(self, x: Array, drop: Drop) -> Array:
        """The sites are then the kernels."""
        for layer, linear in enumerate((*self.hidden, self.head), 1):
            kernel = drop(f"weights{layer}", linear.kernel[...], OPERATORS[self.kind])
            assert linear.bias is not None, "layers have a bias"
            bias = linear.bias[...].reshape((1,) * (x.ndim - 1) + (-1,))
            x = jnp.dot(x, kernel) + bias
            x = self.activation(x) if linear is not self.head else x
        return x


@dataclass(frozen=True)
class Perceptron(Architecture):
    """How to build an `MLP`."""

    sizes: tuple[int, ...]
    activation: Activation = "relu"
    kind: Kind = "dropout"

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        if self.kind == "weights":
            return tuple(f"weights{layer}" for layer in range(1, len(self.sizes)))
        return mlp_sites(self.depth)

    @property
    def depth(self) -> int:
        """How many layers are hidden."""
        return len(self.sizes) - 2

    @property
    def units(self) -> int:
        """How many numbers an example becomes on its way."""
        return sum(self.sizes)

    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of one input."""
        return jax.ShapeDtypeStruct(self.sizes[:1], jnp.float32)

    def build(self, key: Key[Array, ""]) -> MLP:
        """A model with fresh weights."""
        return MLP(self.sizes, self.activation, self.kind, rngs=nnx.Rngs(key))
