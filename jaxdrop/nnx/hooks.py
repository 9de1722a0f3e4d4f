"""Sites beside what a model holds: called before or after it, and unseen by it."""

import copyreg
import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial, wraps
from typing import Any

import jax
from flax import nnx

Run = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
ATTRIBUTES = {"before": "dropout_before", "after": "dropout_after"}


class Applied(nnx.Pytree):
    """A function that a model holds, and the sites before and after it.

    It is no module, so a model that calls all of its modules in turn does not call it.
    """

    def __init__(self, function: Callable[..., Any], static: bool) -> None:
        """Holds the function, and whether its place was a static one."""
        self.function = function
        self.static = static

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls the function between its sites."""
        return _between_sites(self, self.function, arguments, keywords)

    @property
    def __signature__(self) -> inspect.Signature | None:
        """That of the function: `nnx.Sequential` passes on what a signature has room for."""
        try:
            return inspect.signature(self.function)
        except ValueError:
            return None


def has_site(holder: Any, side: str) -> bool:
    """Whether a site stands there already."""
    return ATTRIBUTES[side] in getattr(holder, "__dict__", ())


def hook(holder: nnx.Pytree, side: str, site: nnx.Dropout) -> None:
    """Has the site called before or after a module or an applied function."""
    if not isinstance(holder, Applied):
        become(holder, around(type(holder), _between_sites))
    setattr(holder, ATTRIBUTES[side], site)


def unhook(module: nnx.Pytree) -> None:
    """Leaves the module as it was before any site was put beside it."""
    for attribute in {*ATTRIBUTES.values()} & vars(module).keys():
        delattr(module, attribute)
    become(module, plain(type(module)))


def become(module: nnx.Pytree, cls: type) -> None:
    """Changes the class of a module."""
    object.__setattr__(module, "__class__", cls)  # NNX's own would list it as an attribute


def plain(cls: type) -> type:
    """The class that a class was made from by `around`."""
    return vars(cls).get("_plain", cls)


@cache
def around(cls: type, run: Run) -> type:
    """A subclass that looks like its class, and is called by way of `run`."""
    cls = plain(cls)

    @wraps(cls.__call__, updated=())
    def __call__(self: Any, *arguments: Any, **keywords: Any) -> Any:
        return run(self, partial(cls.__call__, self), arguments, keywords)

    own = {"__call__": __call__, "_plain": cls, "_run": staticmethod(run)}
    names = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    keywords = {"metaclass": _made_again(type(cls)), "pytree": cls._pytree__is_pytree}
    return types.new_class(cls.__name__, (cls,), keywords, lambda body: body.update(own | names))


@cache
def _made_again(metaclass: type) -> type:
    """A metaclass whose classes are pickled as what made them, for no module holds them."""
    made: Any = type(metaclass.__name__, (metaclass,), {})
    copyreg.pickle(made, lambda cls: (around, (plain(cls), cls._run)))
    return made


@contextmanager
def unseen(module: nnx.Pytree, *attributes: str) -> Iterator[list[Any]]:
    """Takes attributes out of a module for the time of its call: it may call all that it holds."""
    held = {name: vars(module).pop(name) for name in attributes if name in vars(module)}
    try:
        yield [held.get(name) for name in attributes]
    finally:
        vars(module).update(held)


def _between_sites(
    holder: Any, call: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    with unseen(holder, *ATTRIBUTES.values()) as (before, after):
        if before is not None:
            arguments, keywords = _on_first(before, call, arguments, keywords)
        outputs = call(*arguments, **keywords)
    return outputs if after is None else after(_one_array(outputs, holder))


def _on_first(
    site: Any, call: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Drops in the first argument, by the order of the signature where all have names."""
    if arguments:
        return (site(arguments[0]), *arguments[1:]), keywords
    named = [name for name in (*inspect.signature(call).parameters, *keywords) if name in keywords]
    if not named:
        raise TypeError(
            "Expected an argument to drop in; got a call without. "
            "Only what takes an array can have a site before it."
        )
    return (), {**keywords, named[0]: site(keywords[named[0]])}


def _one_array(outputs: Any, holder: Any) -> jax.Array:
    if not isinstance(outputs, jax.Array):
        raise TypeError(
            f"Expected one array out of {type(holder).__name__}; got {type(outputs).__name__}. "
            "Only what returns one array can have a site after it."
        )
    return outputs
