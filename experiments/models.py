"""Flax models with named dropout sites: a row of rates over the sites says where to drop."""

import itertools
from dataclasses import dataclass
from typing import Literal

import jax
from flax import nnx
from jaxtyping import Array, Float, Key

from jaxdrop.nnx import Dropout

Activation = Literal["relu", "tanh", "gelu"]
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "gelu": jax.nn.gelu}


def mlp_sites(depth: int) -> tuple[str, ...]:
    """The sites of a multilayer perceptron: two to a hidden layer, and both ends."""
    hidden = (f"{side}{layer}" for layer in range(1, depth + 1) for side in ("pre", "post"))
    return ("input", *hidden, "logits")


class MLP(nnx.Module):
    """A multilayer perceptron that can drop at its input, around each activation, at its logits.

    The sites of one layer share its key. The mask that falls before an activation is thus the one
    that falls after it, so the two placements differ by the activation alone.
    """

    def __init__(self, sizes: tuple[int, ...], activation: Activation, *, rngs: nnx.Rngs) -> None:
        """Takes the sizes of all layers, the input's and the output's among them."""
        pairs = list(itertools.pairwise(sizes))
        self.hidden = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in pairs[:-1]])
        self.head = nnx.Linear(*pairs[-1], rngs=rngs)
        self.activation = ACTIVATIONS[activation]
        self.dropout = Dropout(0.0)
        self.sites = mlp_sites(len(pairs) - 1)

    def __call__(
        self,
        x: Float[Array, "*batch inputs"],
        rates: Float[Array, " sites"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "*batch classes"]:
        """The logits; without rates nothing is dropped, as at test time."""

        def drop(site: str, layer: int, x: Array) -> Array:
            if rates is None or key is None:
                return x
            rate = rates[self.sites.index(site)]
            return self.dropout(x, rate=rate, rngs=jax.random.fold_in(key, layer))

        x = drop("input", 0, x)
        for layer, linear in enumerate(self.hidden, 1):
            x = drop(f"pre{layer}", layer, linear(x))
            x = drop(f"post{layer}", layer, self.activation(x))
        return drop("logits", len(self.hidden) + 1, self.head(x))


@dataclass(frozen=True)
class Architecture:
    """How to build an `MLP`: hashable, so that programs are compiled once for each."""

    sizes: tuple[int, ...]
    activation: Activation

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        return mlp_sites(self.depth)

    @property
    def depth(self) -> int:
        """How many layers are hidden."""
        return len(self.sizes) - 2

    def build(self, key: Key[Array, ""]) -> MLP:
        """A model with fresh weights."""
        return MLP(self.sizes, self.activation, rngs=nnx.Rngs(key))

    def bind(self, params: nnx.State) -> MLP:
        """A model with these weights."""
        graph = nnx.graphdef(nnx.eval_shape(lambda: self.build(jax.random.key(0))))
        return nnx.merge(graph, params)
