"""The one walk over models: modules and functions, wherever they stand, in the model's order."""

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
from flax import nnx

from jaxdrop.flax_shared import Path
from jaxdrop.nnx.hooks import Applied

M = TypeVar("M")


def check_module(model: object) -> None:
    """Takes a module of NNX."""
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"Expected a flax.nnx module; got {model!r}. "
            "Pass the model itself, not its class, its state or a list of modules."
        )


def children(node: Any) -> dict[Any, Any]:
    """What stands in an attribute, a list, a dict, a tuple or another pytree, in its own order."""
    if isinstance(node, nnx.List):
        return dict(enumerate(node))
    if isinstance(node, nnx.Pytree):
        return {name: part for name, part in vars(node).items() if name[:8] != "_pytree_"}
    if isinstance(node, dict):
        return dict(node)  # JAX would sort it
    names, parts, _ = _parts(node)
    return {} if isinstance(node, nnx.Variable) else dict(zip(names, parts, strict=True))


def _parts(node: Any) -> tuple[list[Any], list[Any], Any]:
    """Names and values one level down a pytree, and what puts it together again."""
    found, form = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda part: part is not node)
    inside = [(_key(path[0]), part) for path, part in found if path]
    return [name for name, _ in inside], [part for _, part in inside], form


def _key(entry: Any) -> Any:
    """An entry of a path of JAX as NNX has it."""
    return next(getattr(entry, name) for name in ("idx", "key", "name") if hasattr(entry, name))


def everywhere(model: Any) -> Iterator[tuple[Path, Any]]:
    """Modules and functions at every place where they stand; what a shared module holds, once."""
    yield (), model
    yield from _below(model, (), {id(model)})


def _below(node: Any, path: Path, seen: set[int]) -> Iterator[tuple[Path, Any]]:
    for name, child in children(node).items():
        here = (*path, name)
        if isinstance(node, Applied) and name == "function":
            continue  # the model held the function itself, which this stands for
        if isinstance(child, nnx.Pytree) or callable(child):
            yield here, child
        if id(child) not in seen:
            _remember(child, seen)
            yield from _below(child, here, seen)


def _remember(node: Any, seen: set[int]) -> None:
    """NNX knows modules by their identity; all else is a value."""
    if isinstance(node, nnx.Pytree):
        seen.add(id(node))


def walk(model: Any) -> Iterator[tuple[Path, Any]]:
    """Every module once, where it stands first, and every function."""
    seen = set()
    for path, child in everywhere(model):
        if id(child) not in seen:
            yield path, child
        _remember(child, seen)


def get(model: Any, path: Path) -> Any:
    """What stands at a path."""
    node = model
    for name in path:
        if name not in (parts := children(node)):
            raise ValueError(
                f"Expected the path of something that the model holds; got {path!r}, where "
                f"{name!r} is not among {', '.join(map(repr, parts)) or 'nothing'}."
            )
        node = parts[name]
    return node


def put(node: Any, path: Path, new: Any, static: bool = False) -> Any:
    """The node with something else at a path: changed in place; only a tuple is made anew.

    `static` tells that the attribute was static before NNX data came into it.
    """
    if not path:
        return new
    old = children(node)[path[0]]
    child = put(old, path[1:], new, static)
    if isinstance(node, nnx.Pytree):
        if child is not old or not isinstance(child, nnx.Pytree):
            keep = nnx.static if static and not _holds_data(child) else nnx.data
            setattr(node, str(path[0]), keep(child))
        return node
    if isinstance(node, list | dict):
        node = node if _holds_data(node) else copy.copy(node)  # else it may be a user's settings
        node[path[0]] = child
        return node
    names, parts, form = _parts(node)
    return form.unflatten([child if n == path[0] else p for n, p in zip(names, parts, strict=True)])


def is_static(model: Any, path: Path) -> bool:
    """Whether the attribute that a path leads through last is static to NNX."""
    above = [i for i in range(len(path)) if isinstance(get(model, path[:i]), nnx.Pytree)][-1]
    holder, name = get(model, path[:above]), path[above]
    return name not in _parts(holder)[0]


def _holds_data(value: Any) -> bool:
    return any(map(nnx.is_data, jax.tree.leaves(value, is_leaf=nnx.is_data)))


def copied(model: M) -> M:
    """A copy whose attributes and keys stand in the same order, which `nnx.clone` sorts."""
    clone = nnx.clone(model)
    _arrange(clone, model, set())
    return clone


def _arrange(clone: Any, model: Any, seen: set[int]) -> None:
    if id(model) in seen:
        return
    _remember(model, seen)
    if isinstance(model, nnx.Pytree | dict):
        own, order = (n if isinstance(n, dict) else vars(n) for n in (clone, model))
        sorted_again = {name: own[name] for name in order}
        own.clear()
        own.update(sorted_again)
    copies = children(clone)
    for name, part in children(model).items():
        _arrange(copies[name], part, seen)
