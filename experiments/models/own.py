"""The reader's own model: any module of Flax NNX that is called on a batch.

Every site of `jaxdrop.nnx.dropout_sites` is a site here, under its path. A call sets the mode of
all modules, the rates of the sites and where each random stream begins; of these nothing is kept,
so that what training carries on are weights, batch statistics and other state.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key, Shaped

from experiments.errors import expect
from experiments.models import surgery
from experiments.models.base import Architecture, Drop
from experiments.models.surgery import Make, Rule
from jaxdrop.nnx import DotProductAttention

CALLS = 2**16
"""Of a stream in a step, at most: each has a key of its own."""


class OwnModel(nnx.Module):
    """A reader's model that is called as ours are."""

    def __init__(self, model: nnx.Module, sites: dict[str, Any], rank: int) -> None:
        """Streams of the sites come first, in their order."""
        self.model, self.names, self.rank = model, tuple(sites), rank
        self.sites = nnx.List(sites.values())
        own = [site.rngs for site in sites.values()]
        known = {id(stream) for stream in own}
        nodes = (node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.RngStream))
        self.streams = nnx.List(own + [node for node in nodes if id(node) not in known])
        self._end()

    def __call__(self, x: Shaped[Array, "..."], drop: Drop) -> Array:
        """The outputs for a batch, or for one example."""
        self.begin(drop)
        alone = x.ndim == self.rank
        model: Any = self.model
        outputs = model(x[None] if alone else x)
        self._end()
        got, fix = type(outputs).__name__, "Return the logits, or the predictions, alone."
        expect(isinstance(outputs, jax.Array), "one array out of the model", f"a {got}", fix)
        outputs = outputs.astype(jnp.float32)
        return outputs[0] if alone else outputs

    def begin(self, drop: Drop) -> None:
        """Sets modes, rates and streams."""
        modes = {"deterministic": drop.key is None, "use_running_average": not drop.training}
        self.model.set_attributes(**modes, raise_if_not_found=False)
        for name, site in zip(self.names, self.sites, strict=True):
            site.rate.set_value(jnp.broadcast_to(drop.rate(name), site.rate.shape))
        key = jax.random.key(0) if drop.key is None else drop.key
        for number, stream in enumerate(self.streams):
            _seed(stream, key, number * CALLS)

    def _end(self) -> None:
        """Nothing is left of what a call was told, nor of what it noted down."""
        for site in self.sites:
            site.rate.set_value(jnp.zeros(site.rate.shape))
        for stream in self.streams:
            shape = stream.count.shape
            stream.key.set_value(jnp.zeros((*shape, 2), jnp.uint32))
            stream.count.set_value(jnp.zeros(shape, jnp.uint32))
        nnx.pop(self.model, nnx.Intermediate)


@dataclass(frozen=True)
class Own(Architecture):
    """How to build an `OwnModel`: equal to itself alone.

    What a function builds hangs on more than the function, such as variables of its module.
    """

    make: Make = field(compare=False)
    """Takes `nnx.Rngs`, returns a module."""
    shape: tuple[int, ...] = field(compare=False)
    """Of one example."""
    dtype: str = field(default="float32", compare=False)
    rules: tuple[Rule, ...] = field(default=(), compare=False)
    """Of `jaxdrop.nnx.insert`: where dropout is put in."""
    opened = ("scan", "while", "jit", "pjit", "checkpoint", "remat2", "custom_jvp_call")
    token: object = field(default_factory=object, init=False, repr=False)

    @property
    def sites(self) -> tuple[str, ...]:
        """The paths of the dropout sites."""
        return self.built.names

    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of one example."""
        return jax.ShapeDtypeStruct(self.shape, jnp.dtype(self.dtype))

    def build(self, key: Key[Array, ""]) -> OwnModel:
        """A model with fresh weights."""
        rngs = nnx.Rngs(key)
        model = surgery.made(self.make, rngs)
        surgery.hold_arrays(model)
        surgery.put_in(model, self.rules, rngs)
        surgery.open_convolutions(model)
        return OwnModel(model, surgery.open_sites(model), len(self.shape))

    def draws(self, batch: int) -> dict[int, tuple[int, ...]]:
        """The shape of what each site drops in first, 1 along tied axes, by the key's number."""
        found: dict[int, tuple[int, ...]] = {}

        def step(x: Array) -> Array:
            model = self.build(jax.random.key(0))
            for number, site in enumerate(model.sites):
                _watch(site, lambda shape, draw=number * CALLS: found.setdefault(draw, shape))
            return model(x, Drop(self.sites, key=jax.random.key(0), training=True))

        one = self.example()
        jax.eval_shape(step, jax.ShapeDtypeStruct((batch, *one.shape), one.dtype))
        return found


def _seed(stream: nnx.RngStream, key: Key[Array, ""], first: int) -> None:
    """Its keys are those of the numbers from the first on; each of stacked layers has its own."""
    if shape := stream.count.shape:
        key, first = jax.random.split(jax.random.fold_in(key, first), shape), 0
    stream.key.set_value(key)
    stream.count.set_value(jnp.full(shape, first, jnp.uint32))


def _watch(site: Any, told: Callable[[tuple[int, ...]], object]) -> None:
    """Tells the shape of what the site is called on, of 1 along tied axes, if it drops in it."""
    kind = type(site)

    class Watched(kind):
        def __call__(self, x: Array, *others: Any, deterministic: Any = None, **more: Any) -> Any:
            if not deterministic or isinstance(self, DotProductAttention):  # which has its own
                tied = {axis % x.ndim for axis in getattr(self, "broadcast_dims", ())}
                told(tuple(1 if axis in tied else size for axis, size in enumerate(x.shape)))
            return super().__call__(x, *others, deterministic=deterministic, **more)

    object.__setattr__(site, "__class__", Watched)
