"""What all models share: how sites drop, and how a network is built from weights and run."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, Key

import jaxdrop

BODIES = {"jaxpr", "body_jaxpr", "call_jaxpr"}
"""Where a part of a program has its inside: a loop, a compiled function."""


class Drop(NamedTuple):
    """What a model calls at its sites: `x = drop("post1", x)`. Without a key nothing is dropped.

    `training` is for batch norm: dropout may be left on in a network that is used.
    """

    sites: tuple[str, ...]
    rates: Float[Array | np.ndarray, " sites"] | None = None
    key: Key[Array, ""] | None = None
    training: bool = False

    def __call__(
        self,
        site: str,
        x: Array,
        operator: Callable[..., Array] = jaxdrop.dropout,
        *,
        draw: int | Array | None = None,
        **options: Any,
    ) -> Array:
        """Sites of one `draw` share their key; by default each has its own."""
        if self.key is None:
            return x
        key = self.key_of(self.draw(site) if draw is None else draw)
        return operator(key, x, self.rate(site), **options)

    def attend(
        self,
        site: str,
        query: Float[Array, "batch queries heads features"],
        keys: Float[Array, "batch keys heads features"],
        values: Float[Array, "batch keys heads values"],
    ) -> Float[Array, "batch queries heads values"]:
        """Attention whose weights are dropped at a site, which are never held."""
        if self.key is None:
            return jaxdrop.dot_product_attention(jax.random.key(0), query, keys, values, 0.0)
        key, rate = self.key_of(self.draw(site)), self.rate(site)
        return jaxdrop.dot_product_attention(key, query, keys, values, rate)

    def draw(self, site: str, place: int | Array = 0) -> int | Array:
        """The number of a site's draw at one of several places or steps at which it drops."""
        return place * len(self.sites) + self.sites.index(site)

    def rate(self, site: str) -> Float[Array, ""]:
        """The rate of a site, whether it drops now or not."""
        return (
            jnp.zeros(()) if self.rates is None else jnp.asarray(self.rates)[self.sites.index(site)]
        )

    def key_of(self, draw: int | Array) -> Key[Array, ""]:
        """The key of a draw."""
        assert self.key is not None, "a network in use draws nothing"
        return jax.random.fold_in(self.key, draw)


class _Shapes(Drop):
    """Drops nothing, and notes the shape of what each draw is for."""

    found: dict[int, tuple[int, ...]]

    def __call__(self, site: str, x: Array, *_: Any, draw: Any = None, **options: Any) -> Array:
        self._note(self.draw(site) if draw is None or isinstance(draw, Tracer) else draw, x.shape)
        return x

    def attend(self, site: str, query: Array, keys: Array, values: Array) -> Array:
        batch, queries, heads, _ = query.shape
        self._note(self.draw(site), (batch, heads, queries, keys.shape[1]))
        return super().attend(site, query, keys, values)

    def _note(self, draw: Any, shape: tuple[int, ...]) -> None:
        self.found.setdefault(draw, shape)


@dataclass(frozen=True)
class Architecture:
    """How to build a model: hashable, so that programs are compiled once for each.

    Its models are called with inputs, batched or not, and a `Drop`.
    """

    opened: ClassVar[tuple[str, ...]] = ("scan",)
    """Parts of a program whose inside counts when memory is estimated."""

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        raise NotImplementedError

    def build(self, key: Key[Array, ""]) -> nnx.Module:
        """A model with fresh weights."""
        raise NotImplementedError

    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of one input."""
        raise NotImplementedError

    def bind(self, *states: nnx.State) -> Any:
        """A model with these weights, and with what else it holds."""
        return nnx.merge(nnx.graphdef(self.built), *states, copy=True)

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        leaves = jax.tree.leaves(nnx.state(self.built, nnx.Param))
        return sum(math.prod(leaf.shape) for leaf in leaves)

    @property
    def units(self) -> int:
        """How many numbers an example becomes on its way, at most."""
        states = nnx.state(self.built)
        run = lambda states, x: self.bind(states)(x, Drop(self.sites))  # noqa: E731
        jaxpr = jax.make_jaxpr(run)(states, self.example())
        return _made(jaxpr, self.opened)

    def draws(self, batch: int) -> dict[int, tuple[int, ...]]:
        """The shape of what is dropped in by each draw of a step, in their order."""
        drop = _Shapes(self.sites, jnp.zeros(len(self.sites)), jax.random.key(0), training=True)
        drop.found = {}

        def step(x: Array) -> Array:
            model: Any = self.build(jax.random.key(0))
            return model(x, drop)

        one = self.example()
        jax.eval_shape(step, jax.ShapeDtypeStruct((batch, *one.shape), one.dtype))
        return drop.found

    @cached_property
    def built(self) -> Any:
        """The model in shapes and types alone."""
        return nnx.eval_shape(lambda: self.build(jax.random.key(0)))


def _made(jaxpr: Any, opened: tuple[str, ...]) -> int:
    """How many numbers a program makes; of a loop all steps count, for gradients need them all."""
    made = 0
    for eqn in jaxpr.eqns:
        known = BODIES & eqn.params.keys() if eqn.primitive.name in opened else ()
        inside = sum(_made(eqn.params[name], opened) for name in known)
        outside = sum(var.aval.size for var in eqn.outvars)
        steps = eqn.params.get("length", 0) * inside
        made += steps + outside if eqn.primitive.name == "scan" else max(inside, outside)
    return made
