"""Dropout put into a model that was built without, and taken out again."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from flax import nnx
from jax.typing import ArrayLike

from jaxdrop import checks
from jaxdrop.flax_shared import Path
from jaxdrop.nnx.attention import DotProductAttention, check_attention, drop_inside, silence
from jaxdrop.nnx.catalogue import Zoneout
from jaxdrop.nnx.hooks import ATTRIBUTES, Applied, has_site, hook, unhook
from jaxdrop.nnx.walk import check_module, everywhere, get, is_static, put, walk
from jaxdrop.nnx.wrappers import DropConnect

Make = Callable[..., nnx.Dropout]  # called with rngs=...: functools.partial(Dropout, 0.1)


class Place(NamedTuple):
    """Where a site shall stand, and what makes it."""

    path: Path
    side: Literal["before", "after", "inside"]
    make: Make | ArrayLike


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
    places = _places(model, rule)
    sites = [place.make(rngs=rngs) if callable(place.make) else rngs for place in places]
    for place, site in zip(places, sites, strict=True):
        _put(model, place, site)
    return model


def remove(model: nnx.Module) -> nnx.Module:
    """Takes all dropout out of a model: what `insert` put there, and what it was built with.

    Weights, their paths and the order of attributes and keys stay; so do the outputs in evaluation,
    to the bit, but for the rounding of attention that dropped by Flax's own means. A site that the
    model was built with becomes an identity, a `DropConnect` the layer that it held. `Zoneout`
    stays, because it acts in evaluation too.

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
        silence(child)
    if isinstance(child, nnx.Module):
        unhook(child)


def _without(child: Any) -> Any:
    """What stands where this stood, once all dropout is out of it."""
    if isinstance(child, Applied):
        return child.function
    if isinstance(child, DropConnect):
        return _without(child.layer)
    if isinstance(child, DotProductAttention):
        return child.instead or nnx.dot_product_attention
    drops = isinstance(child, nnx.Dropout) and not isinstance(child, Zoneout)
    return Identity() if drops else child


def _places(model: nnx.Module, rule: Rule) -> list[Place]:
    """The places that a rule finds, if all of them are free."""
    if not callable(rule):
        raise TypeError(
            f"Expected a rule, a function from the model to its places; got {rule!r}. "
            "Make one, for instance with `after`."
        )
    places = list(rule(model))
    if not places:
        raise ValueError(
            "Expected a rule that finds a place; got none in this model. Functions that are called "
            "inline cannot be seen: hold them as attributes, or choose modules with `after`."
        )
    taken: set[Any] = set()
    for place in places:
        _check_free(model, place, taken)
    return places


def _check_free(model: nnx.Module, place: Place, taken: set[Any]) -> None:
    """Takes a place where something is called, and where no site stands or was placed before."""
    if not isinstance(place, Place):
        raise TypeError(f"Expected places of a rule; got {place!r}. Return jaxdrop.nnx.Place.")
    child = get(model, place.path)
    if checks.check_choice("side", place.side, ("inside", *ATTRIBUTES)) == "inside":
        check_attention(child, place.path, place.make)
        return
    here = (id(child) if isinstance(child, nnx.Pytree) else place.path, place.side)
    if here in taken or has_site(child, place.side):
        name = ATTRIBUTES[place.side]
        raise ValueError(f"Expected no {name} at {place.path}; got one. Call remove first.")
    taken.add(here)
    if not callable(child):
        raise TypeError(f"Expected something that is called at {place.path}; got {child!r}.")
    if not callable(place.make):
        raise TypeError(f"Expected something that makes a site; got {place.make!r}.")


def _put(model: nnx.Module, place: Place, site: Any) -> None:
    child = get(model, place.path)
    if place.side == "inside":
        drop_inside(child, place.make, site)
        return
    if not isinstance(child, nnx.Pytree):
        child = Applied(child, is_static(model, place.path))
        put(model, place.path, child)
    hook(child, place.side, site)
