"""Dropout put into a model that was built without, and taken out again."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from flax import nnx

from jaxdrop import checks
from jaxdrop.modules import Path, known_rate
from jaxdrop.nnx.catalogue import Zoneout
from jaxdrop.nnx.hooks import ATTRIBUTES, Applied, has_site, hook, unhook
from jaxdrop.nnx.sites import is_site
from jaxdrop.nnx.walk import check_module, everywhere, get, is_static, put, walk
from jaxdrop.nnx.wrappers import DropConnect

Make = Callable[..., nnx.Dropout]  # called with rngs=...: functools.partial(Dropout, 0.1)
INSIDE = "dropout_inside"  # the mode that an attention had before it got dropout


class Place(NamedTuple):
    """Where a site shall stand, and what makes it."""

    path: Path
    side: Literal["before", "after", "inside"]
    make: Make | float


Rule = Callable[[nnx.Module], Iterable[Place]]


def insert(model: nnx.Module, rule: Rule, *, rngs: nnx.Rngs) -> nnx.Module:
    """Puts dropout into a model, wherever a rule says.

    Weights, their paths, the order of attributes and keys and the outputs in evaluation stay the
    same, to the bit: a module that gets a site keeps its type, in a subclass that calls the site
    before or after it. What stands in two places gets one site, which both share. The new sites
    begin in training mode; `model.eval()` switches them like all others. Layers that are stacked
    for `nnx.scan` want their site in the function that makes one layer.

    Args:
      model: an NNX module; it is changed in place.
      rule: `after_activations(make)`, `after(kinds, make)`, `before_last(kind, make)`,
        `on_branches(make, inputs)`, `in_attention(rate)`, or a function from the model to `Place`s.
        `make` is called with `rngs=` and returns a site: `functools.partial(Dropout, 0.1)`.
      rngs: where each site takes a stream of its own from.

    Returns:
      The model.

    Raises:
      ValueError: the rule finds no place, or one that the model does not have, or one that has a
        site of its kind already; a rate of attention outside [0, 1). The model stays as it was.
      TypeError: no NNX module, or a place that cannot be called.

    Example:
      >>> from functools import partial
      >>> from flax import nnx
      >>> from jaxdrop.nnx import Dropout, after_activations, dropout_sites, insert, remove
      >>> rngs = nnx.Rngs(0)
      >>> model = nnx.Sequential(nnx.Linear(2, 3, rngs=rngs), nnx.relu)
      >>> model = insert(model, after_activations(partial(Dropout, 0.1)), rngs=nnx.Rngs(1))
      >>> [site.path for site in dropout_sites(model)]
      [('layers', 1, 'dropout_after')]
      >>> dropout_sites(remove(model))
      []

    """
    check_module(model)
    places = list(rule(model))
    if not places:
        raise ValueError(
            "Expected a rule that finds a place; got none in this model. Functions that are called "
            "inline cannot be seen: hold them as attributes, or choose modules with `after`."
        )
    _check_free(model, places)
    sites = [_site_of(place, rngs) for place in places]
    for place, site in zip(places, sites, strict=True):
        _put(model, place, site)
    return model


def remove(model: nnx.Module) -> nnx.Module:
    """Takes all dropout out of a model: what `insert` put there, and what it was built with.

    Weights, their paths and the order of attributes and keys stay; so do the outputs in evaluation,
    to the bit. A site that the model was built with becomes an identity, a `DropConnect` the layer
    that it held. `Zoneout` stays, because it acts in evaluation too.

    Args:
      model: an NNX module; it is changed in place.

    Returns:
      The model; something else only where the model itself was a site.

    Raises:
      TypeError: no NNX module.

    Example:
      >>> from flax import nnx
      >>> from jaxdrop.nnx import Dropout, dropout_sites, remove
      >>> model = nnx.Sequential(nnx.relu, Dropout(0.5, rngs=nnx.Rngs(0)))
      >>> dropout_sites(remove(model))
      []

    """
    check_module(model)
    for _, child in [*walk(model)]:
        _strip(child)
    left = {}  # what stood in two places leaves one thing in both
    for path, child in reversed([*everywhere(model)]):  # what is inside comes first
        rest = left.setdefault(id(child), _without(child))
        if rest is not child:
            model = put(model, path, rest, getattr(child, "static", False))
    return model


class Identity(nnx.Module):
    """What is left of a site."""

    def __call__(self, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        """Returns the inputs."""
        return inputs


def _strip(child: Any) -> None:
    """Takes out what was put into a module or beside it."""
    if isinstance(child, nnx.MultiHeadAttention):
        _restore_attention(child)
    if isinstance(child, nnx.Module):
        unhook(child)


def _without(child: Any) -> Any:
    """What stands where this stood, once all dropout is out of it."""
    if isinstance(child, Applied):
        return child.function
    if isinstance(child, DropConnect):
        return _without(child.layer)
    drops = isinstance(child, nnx.Dropout) and not isinstance(child, Zoneout)
    return Identity() if drops else child


def _check_free(model: nnx.Module, places: list[Place]) -> None:
    """Takes places where something can be called, and no site stands."""
    taken = set()
    for path, side, make in places:
        child = get(model, path)
        if checks.check_choice("side", side, ("inside", *ATTRIBUTES)) == "inside":
            _check_attention(child, path, make)
            continue
        key = (id(child) if isinstance(child, nnx.Pytree) else path, side)
        if key in taken or has_site(child, side):
            raise ValueError(
                f"Expected no {ATTRIBUTES[side]} at {path}; got one. Call remove first."
            )
        taken.add(key)
        if not callable(child):
            raise TypeError(f"Expected something that is called at {path}; got {child!r}.")
        if not callable(make):
            raise TypeError(f"Expected something that makes a site; got {make!r}.")


def _check_attention(child: Any, path: Path, rate: Any) -> None:
    if not isinstance(child, nnx.MultiHeadAttention):
        raise TypeError(f"Expected a nnx.MultiHeadAttention at {path}; got {child!r}.")
    check_attention_rate(rate)


def check_attention_rate(rate: Any) -> float:
    """Takes a rate that Flax's attention can have: it divides by 1 - rate, and holds a number."""
    known = known_rate(rate, lambda rate, _: checks.check_rate(rate, ()))
    if known is None:
        raise TypeError(
            f"Expected a rate of attention that is known when it is put in; got {rate!r}. "
            "Flax holds it as a number, not as an array."
        )
    if known == 1:
        raise ValueError(
            "Expected a rate of attention in [0, 1); got 1. Flax divides by 1 - rate: lower it."
        )
    return known


def _site_of(place: Place, rngs: nnx.Rngs) -> Any:
    return rngs.dropout.fork() if place.side == "inside" else place.make(rngs=rngs)


def _put(model: nnx.Module, place: Place, site: Any) -> None:
    child = get(model, place.path)
    if place.side == "inside":
        _drop_inside(child, check_attention_rate(place.make), site)
        return
    if not isinstance(child, nnx.Pytree):
        child = Applied(child, is_static(model, place.path))
        put(model, place.path, child)
    hook(child, place.side, site)


def _drop_inside(attention: Any, rate: float, stream: nnx.RngStream) -> None:
    if not hasattr(attention, INSIDE):
        setattr(attention, INSIDE, attention.deterministic)
    attention.dropout_rate, attention.deterministic = rate, False
    attention.rngs = nnx.data(stream)


def _restore_attention(attention: Any) -> None:
    if hasattr(attention, INSIDE) and not attention.deterministic:  # else `eval` was called since
        attention.deterministic = getattr(attention, INSIDE)
    if hasattr(attention, INSIDE):
        delattr(attention, INSIDE)
    if is_site(attention):
        attention.dropout_rate, attention.rngs = 0.0, nnx.static(None)
