"""What is done to a reader's model before it trains: its sites get a rate and a stream to be set.

A site of Flax becomes jaxdrop's of the same axes and stream, where it stands, so that whatever is
shared stays shared. No other module changes, but a convolution is computed as ours are.
"""

import inspect
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from experiments.errors import InputError, expect
from experiments.models.convolution import conv_general_dilated
from jaxdrop.nnx import ConcreteDropout, Dropout, DropRate, GaussianNoise, dropout_sites, insert

Make = Callable[..., nnx.Module]
Rule = Callable[[nnx.Module], Iterable[Any]]
IN_ATTENTION = (
    "Build it with dropout_rate=0 and attention_fn=jaxdrop.nnx.DotProductAttention(rate, "
    "rngs=rngs), or pass --insert in-attention."
)
NOISE = "Build it with jaxdrop.nnx.GaussianDropout."
NO_SITE = "Put some in: --insert after:Linear, after-activations, before-last:Linear, …"


def made(make: Make, rngs: nnx.Rngs) -> nnx.Module:
    """What the function, or the class, builds; by Flax's custom it may take `rngs` by name only."""
    model = make(rngs=rngs) if _by_name(make) else make(rngs)
    expect(isinstance(model, nnx.Module), "a flax.nnx.Module from the function", repr(model)[:80])
    return model


def _by_name(make: Make) -> bool:
    """Whether it takes `rngs` by name alone, or among whatever is named."""
    taken = inspect.signature(make.__init__ if isinstance(make, type) else make).parameters
    kinds = {name: p.kind for name, p in taken.items() if p.default is p.empty and name != "self"}
    named = taken["rngs"].kind if "rngs" in taken else None
    return named is inspect.Parameter.KEYWORD_ONLY or (
        named is None and [*kinds.values()] == [inspect.Parameter.VAR_KEYWORD]
    )


def put_in(model: nnx.Module, rules: Iterable[Rule], rngs: nnx.Rngs) -> None:
    """Dropout where the rules say."""
    for rule in rules:
        try:
            insert(model, rule, rngs=rngs)
        except (TypeError, ValueError) as error:  # no such place, or a site that stands there
            raise InputError(f"Expected --insert to find its place; got: {error}") from None


def open_sites(model: nnx.Module) -> dict[str, Any]:
    """All sites by their names, ready to be told a rate and a key."""
    found = [site.path for site in dropout_sites(model)]
    paths = {".".join(map(str, path)) or "itself": path for path in found}
    expect(len(paths) > 0, "a model with dropout sites", "none", NO_SITE)
    return {name: _opened(name, _at(model, path)) for name, path in paths.items()}


def hold_arrays(model: nnx.Module) -> None:
    """Arrays that stand by themselves are state too, where Flax sees none in those of a trace."""
    for _, module in nnx.iter_modules(model):
        for name, value in [*vars(module).items()]:
            if isinstance(value, jax.Array):
                setattr(module, name, nnx.data(value))
            plain = value if isinstance(value, list | tuple | dict) else []
            bare = any(
                isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(plain, is_leaf=_seen)
            )
            got, fix = f"a {type(value).__name__} of them, {name}", "Make it nnx.List or nnx.Dict."
            expect(not bare, "every array of the model where Flax sees it", got, fix)


def _seen(leaf: Any) -> bool:
    """Whether Flax finds it in a list."""
    return isinstance(leaf, nnx.Variable | nnx.Module)


def open_convolutions(model: nnx.Module) -> None:
    """Has them computed by whichever way is quick where the program runs."""
    for _, module in nnx.iter_modules(model):
        if getattr(module, "conv_general_dilated", None) is lax.conv_general_dilated:
            module.conv_general_dilated = conv_general_dilated  # pyright: ignore


def _at(node: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a path of `dropout_sites`."""
    for name in path:
        held_by_key = isinstance(node, list | tuple | dict | nnx.List)
        node = node[name] if held_by_key else getattr(node, name)
    return node


def _opened(name: str, site: Any) -> Any:
    inside = isinstance(site, nnx.MultiHeadAttention)
    expect(not inside, "rates that can be set", f"a static one inside {name}", IN_ATTENTION)
    site = _ours(site) if type(site).__call__ is nnx.Dropout.__call__ else site
    known = any(kind.__module__.startswith("jaxdrop.") for kind in type(site).__mro__)
    settable = known and not isinstance(site, ConcreteDropout)
    noise = isinstance(site, GaussianNoise)
    expect(not noise, "sites that drop", f"one of noise at {name}, whose stddev is no rate", NOISE)
    fix = "Build it with jaxdrop.nnx.Dropout."
    expect(settable, "sites whose rate can be set", f"{type(site).__name__} at {name}", fix)
    shape = () if site.rngs is None else site.rngs.count.shape  # of layers that are stacked
    keys = jax.random.split(jax.random.key(0), shape) if shape else jax.random.key(0)
    site.rate = nnx.data(DropRate(jnp.zeros(shape)))
    site.rngs = nnx.data(nnx.RngStream(keys, tag=site.rng_collection))
    return site


class Replaced(nnx.Dropout):
    """Where a site of Flax stood: jaxdrop's is called."""

    instead: Dropout

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Drops as jaxdrop does."""
        return self.instead(*arguments, **keywords)


def _ours(site: Any) -> Dropout:
    """Of the same axes and stream, at 16 bits."""
    options = {"broadcast_dims": site.broadcast_dims, "rng_collection": site.rng_collection}
    ours = Dropout(0.0, **options)
    ours.rngs, site.rngs = nnx.data(site.rngs), nnx.data(None)
    site.instead = nnx.data(ours)
    object.__setattr__(site, "__class__", _replaced(type(site)))
    return ours


@cache
def _replaced(kind: Any) -> type:
    """What else a class of the reader's does stays."""

    class Instead(Replaced, kind):
        pass

    return Instead
