"""Dropout put into a model that was built without, and taken out again."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

import jax
from flax import nnx

from jaxdrop.modules import Path
from jaxdrop.nnx.catalogue import Zoneout
from jaxdrop.nnx.sites import is_site
from jaxdrop.nnx.wrappers import DropConnect

Make = Callable[..., nnx.Dropout]  # called with rngs=...: functools.partial(Dropout, 0.1)
BEFORE, AFTER = "dropout_before", "dropout_after"


class Place(NamedTuple):
    """Where a site shall stand, and what makes it."""

    path: Path
    side: Literal["before", "after", "inside"]
    make: Make | float


Rule = Callable[[nnx.Module], Iterable[Place]]


def insert(model: nnx.Module, rule: Rule, *, rngs: nnx.Rngs) -> nnx.Module:
    """Puts dropout into a model, wherever a rule says.

    Weights, their paths and the outputs in evaluation stay the same, to the bit: a module that gets
    a site keeps its type, in a subclass that calls the site before or after it. The new sites begin
    in training mode; `model.eval()` switches them like all others. Layers that are stacked for
    `nnx.scan` want their site in the function that makes one layer.

    Args:
      model: an NNX module; it is changed in place.
      rule: `after_activations(make)`, `after(kinds, make)`, `before_last(kind, make)`,
        `on_branches(make, inputs)`, `in_attention(rate)`, or a function from the model to `Place`s.
        `make` is called with `rngs=` and returns a site: `functools.partial(Dropout, 0.1)`.
      rngs: where each site takes a stream of its own from.

    Returns:
      The model.

    Raises:
      ValueError: the rule finds no place, or one that has a site of its kind already.

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
    places = list(rule(model))
    if not places:
        raise ValueError(
            "Expected a rule that finds a place; got none in this model. Functions that are called "
            "inline cannot be seen: hold them as attributes, or choose modules with `after`."
        )
    for place in places:
        _put(model, place, rngs)
    return model


def remove(model: nnx.Module) -> nnx.Module:
    """Takes all dropout out of a model: what `insert` put there, and what it was built with.

    Weights and their paths stay; so do the outputs in evaluation, to the bit. What stood in an
    attribute of its own becomes an identity, a `DropConnect` the layer that it held. `Zoneout`
    stays, because it acts in evaluation too.

    Args:
      model: an NNX module; it is changed in place.

    Returns:
      The model; something else only where the model itself was a site.

    Example:
      >>> from flax import nnx
      >>> from jaxdrop.nnx import Dropout, dropout_sites, remove
      >>> model = nnx.Sequential(nnx.relu, Dropout(0.5, rngs=nnx.Rngs(0)))
      >>> dropout_sites(remove(model))
      []

    """
    for _, module in [*nnx.iter_modules(model)]:
        _unhook(module)
        for name, child in children(module):
            without = _without(child)
            if without is not child:
                _set(module, name, without)
    return _without(model)


class Identity(nnx.Module):
    """What is left of a site."""

    def __call__(self, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        """Returns the inputs."""
        return inputs


class Applied(nnx.Module):
    """A function that a model holds, and the sites before and after it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Holds the function."""
        self.function = function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls the function."""
        return self.function(*arguments, **keywords)


def _put(model: nnx.Module, place: Place, rngs: nnx.Rngs) -> None:
    *above, name = place.path if place.path else ("",)
    parent = get(model, above)
    child = get(parent, [name]) if place.path else model
    if place.side == "inside":
        _set_attention(child, place.make, rngs.dropout.fork())
        return
    if not isinstance(child, nnx.Module):
        child = Applied(child)
        _set(parent, str(name), child)
    attribute = {"before": BEFORE, "after": AFTER}[place.side]
    if hasattr(child, attribute):
        raise ValueError(f"Expected no {attribute} at {place.path}; got one. Call remove first.")
    if not callable(place.make):
        raise TypeError(f"Expected something that makes a site; got {place.make!r}.")
    _become(child, _hooked(type(child)))
    setattr(child, attribute, place.make(rngs=rngs))


def _set_attention(attention: Any, rate: Any, stream: nnx.RngStream | None) -> None:
    attention.dropout_rate = rate
    _set(attention, "rngs", stream)


@cache
def _hooked(cls: type[nnx.Module]) -> type[nnx.Module]:
    """A subclass that calls the sites which it holds."""
    if issubclass(cls, _Hooked):
        return cls

    class Hooked(_Hooked, cls):
        pass

    Hooked.__name__, Hooked.__qualname__, Hooked.__module__ = (
        cls.__name__,
        cls.__qualname__,
        cls.__module__,
    )
    return Hooked


class _Hooked(nnx.Module):
    def __call__(self, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        before, after = getattr(self, BEFORE, None), getattr(self, AFTER, None)
        inputs = inputs if before is None else before(inputs)
        outputs = super().__call__(inputs, *arguments, **keywords)
        return outputs if after is None else after(_one_array(outputs, self))


def _one_array(outputs: Any, module: nnx.Module) -> jax.Array:
    if not isinstance(outputs, jax.Array):
        raise TypeError(
            f"Expected one array out of {type(module).__name__}; got {type(outputs).__name__}. "
            "Only modules that return one array can have a site after them."
        )
    return outputs


def _become(module: nnx.Module, cls: type[nnx.Module]) -> None:
    object.__setattr__(module, "__class__", cls)  # NNX's own would list it as an attribute


def _unhook(module: Any) -> None:
    if isinstance(module, nnx.MultiHeadAttention) and is_site(module):
        _set_attention(module, 0.0, None)
    if isinstance(module, _Hooked):
        for attribute in {BEFORE, AFTER} & vars(module).keys():
            delattr(module, attribute)
        _become(module, type(module).__mro__[2])


def _without(child: Any) -> Any:
    """What stands where a site stood."""
    if isinstance(child, Applied):
        return child.function
    if isinstance(child, DropConnect):
        return child.layer
    drops = isinstance(child, nnx.Dropout) and not isinstance(child, Zoneout)
    return Identity() if drops else child


def children(module: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of a module, or the items of a list of modules, in their order."""
    return ((name, child) for name, child in [*vars(module).items()] if name[:8] != "_pytree_")


def get(model: Any, path: Iterable[str | int]) -> Any:
    """What stands at a path."""
    for name in path:
        model = vars(model)[str(name)]
    return model


def _set(parent: Any, name: str, child: Any) -> None:
    """Replaces an attribute, of another kind too: NNX notes of each whether it is data."""
    delattr(parent, name)
    setattr(parent, name, child)
