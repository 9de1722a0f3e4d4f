"""Rules for `insert`: each looks at a model and says where sites shall stand."""

import itertools
from ast import literal_eval
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Literal

from jaxdrop.modules import Path
from jaxdrop.nnx.surgery import Make, Place, Rule, children, insert, remove

ACTIVATIONS: tuple[Any, ...] = (
    *(jax.nn.celu, jax.nn.elu, jax.nn.gelu, jax.nn.glu, jax.nn.hard_sigmoid, jax.nn.hard_swish),
    *(jax.nn.hard_tanh, jax.nn.leaky_relu, jax.nn.mish, jax.nn.relu, jax.nn.relu6, jax.nn.selu),
    *(jax.nn.sigmoid, jax.nn.silu, jax.nn.soft_sign, jax.nn.softplus, jax.nn.squareplus),
    *(jax.nn.sparse_plus, jax.nn.log_sigmoid, jnp.tanh, jax.lax.tanh, nnx.tanh, nnx.PReLU),
)
Kinds = type | Callable[..., Any] | tuple[Any, ...]


def after(kinds: Kinds, make: Make) -> Rule:
    """A site after every module of these classes, and after every function that is one of these.

    Args:
      kinds: a class of modules, a function that a model holds, or several.
      make: called with `rngs=`, returns a site.

    """
    return lambda model: [Place(path, "after", make) for path, _ in _found(model, kinds)]


def after_activations(make: Make) -> Rule:
    """A site after every activation of `jax.nn` that the model holds in an attribute or a list.

    Activations called inline, `nnx.relu(self.linear(x))`, cannot be seen from outside.
    """
    return after(ACTIVATIONS, make)


def before_last(kinds: Kinds, make: Make) -> Rule:
    """A site before the last module of these classes, in the order of their definition.

    `before_last(nnx.Linear, partial(Dropout, 0.5))` drops what the classifier reads.
    """
    return lambda model: [Place(path, "before", make) for path, _ in [*_found(model, kinds)][-1:]]


def in_attention(rate: float) -> Rule:
    """Dropout of the attention weights in every `nnx.MultiHeadAttention`, by its own means.

    Flax shares one mask between all examples and heads, unless the layer was built with
    `broadcast_dropout=False`.
    """
    return lambda model: [
        Place(path, "inside", rate) for path, _ in _found(model, nnx.MultiHeadAttention)
    ]


def on_branches(make: Make, *inputs: Any, **keywords: Any) -> Rule:
    """A site at the end of every residual branch: after the module whose output is added to what
    the branch began with.

    The branches are found by tracing `model(*inputs, **keywords)` in evaluation mode, whatever the
    code looks like; nothing is computed. Inside of `nnx.scan` and `jax.lax` loops they are not
    seen.

    Args:
      make: called with `rngs=`, returns a site: `functools.partial(DropPath, 0.1)`.
      *inputs: an example of what the model takes, arrays or `jax.ShapeDtypeStruct`s.
      **keywords: more of it.

    """  # noqa: D205

    def rule(model: nnx.Module) -> list[Place]:
        marked = insert(remove(nnx.clone(model)), _mark_all, rngs=nnx.Rngs(0))
        marked.eval()
        jaxpr = jax.make_jaxpr(partial(marked, **keywords))(*inputs).jaxpr
        return [Place(path, "after", make) for path in dict.fromkeys(_branch_ends(jaxpr))]

    return rule


class _Marker(nnx.Dropout):
    """Leaves the path of a module in the trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, inputs: jax.Array) -> jax.Array:  # pyright: ignore
        return checkpoint_name(inputs, repr(self.path))


def _mark_all(model: nnx.Module) -> list[Place]:
    return [
        Place(path, "after", lambda rngs, path=path: _Marker(path))
        for path, module in nnx.iter_modules(model)
        if path and callable(module) and not isinstance(module, nnx.Rngs | nnx.RngStream | nnx.List)
    ]


def _branch_ends(jaxpr: Any) -> Iterator[Path]:
    """The paths of the modules whose outputs are added to one of their own ancestors."""
    sources = {out: eqn for eqn in jaxpr.eqns for out in eqn.outvars}
    for eqn in jaxpr.eqns:
        for inner in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(inner):
                yield from _branch_ends(getattr(inner, "jaxpr", inner))
        if eqn.primitive.name in ("add", "add_any"):
            for branch, shortcut in (eqn.invars, eqn.invars[::-1]):
                name = _name_of(branch, sources)
                if name and shortcut in _ancestors(branch, sources):
                    yield name


def _is_jaxpr(value: Any) -> bool:
    return hasattr(getattr(value, "jaxpr", value), "eqns")


def _found(model: nnx.Module, kinds: Kinds) -> Iterator[tuple[Path, Any]]:
    """Modules and functions of these kinds, in the order of their definition."""
    everything = itertools.chain([((), model)], _walk(model, (), set()))
    return ((path, child) for path, child in everything if _is_one(child, kinds))


def _walk(module: Any, path: Path, seen: set[int]) -> Iterator[tuple[Path, Any]]:
    for name, child in children(module):
        here = (*path, int(name) if name.isdigit() else name)
        if isinstance(child, nnx.Pytree) and id(child) not in seen:
            seen.add(id(child))
            yield here, child
            yield from _walk(child, here, seen)
        elif callable(child) and not isinstance(child, nnx.Pytree):
            yield here, child


def _is_one(child: Any, kinds: Kinds) -> bool:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    function = child.func if isinstance(child, partial) else child
    classes = tuple(kind for kind in kinds if isinstance(kind, type))
    return isinstance(child, classes) or any(function is kind for kind in kinds)


def _name_of(variable: Any, sources: dict[Any, Any]) -> Path | None:
    """The path of the module that a value comes out of, through changes of its form alone."""
    eqn = _source(variable, sources)
    while eqn is not None and eqn.primitive.name in ("reshape", "convert_element_type", "copy"):
        eqn = _source(eqn.invars[0], sources)
    return literal_eval(eqn.params["name"]) if eqn and eqn.primitive.name == "name" else None


def _ancestors(variable: Any, sources: dict[Any, Any]) -> set[Any]:
    found, todo = set(), [variable]
    while todo:
        eqn = _source(todo.pop(), sources)
        new = {v for v in eqn.invars if not isinstance(v, Literal)} - found if eqn else set()
        found |= new
        todo += new
    return found


def _source(variable: Any, sources: dict[Any, Any]) -> Any:
    return None if isinstance(variable, Literal) else sources.get(variable)
