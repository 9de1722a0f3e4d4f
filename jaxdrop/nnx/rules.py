"""Rules for `insert`: each looks at a model and says where sites shall stand."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike

from jaxdrop.flax_shared import Path, known_rate
from jaxdrop.nnx.branches import find_branches
from jaxdrop.nnx.hooks import Applied
from jaxdrop.nnx.surgery import Make, Place, Rule, remove
from jaxdrop.nnx.traces import trace
from jaxdrop.nnx.walk import walk

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
    """A site after every activation of `jax.nn` that the model holds, in a list or a tuple too.

    Activations called inline, `nnx.relu(self.linear(x))`, cannot be seen from outside.
    """
    return after(ACTIVATIONS, make)


def before_last(kinds: Kinds, make: Make) -> Rule:
    """A site before the last module of these classes, in the model's own order.

    `before_last(nnx.Linear, partial(Dropout, 0.5))` drops what the classifier reads.
    """
    return lambda model: [Place(path, "before", make) for path, _ in [*_found(model, kinds)][-1:]]


def in_attention(rate: ArrayLike) -> Rule:
    """Dropout of the attention weights in every `nnx.MultiHeadAttention`, in linear memory.

    Its function gives way to a `DotProductAttention`, which begins in training mode, with a stream
    of its own. One mask is shared between all examples and heads, as in Flax, unless the layer was
    built with `broadcast_dropout=False`, or has a rate for each.

    Args:
      rate: the probability to drop, a number or an array that broadcasts to (batch, heads, queries,
        keys). A layer that drops already gets it in the place of its own.

    Raises:
      ValueError: a rate outside [0, 1].
      TypeError: no number as rate.
    """
    known_rate(rate)
    return lambda model: [
        Place(path, "inside", rate) for path, _ in _found(model, nnx.MultiHeadAttention)
    ]


def on_branches(make: Make, *inputs: Any, **keywords: Any) -> Rule:
    """A site at the end of every residual branch: after the module whose output is added to what
    the branch began with.

    The output may be scaled before, by whatever does not depend on what the branch began with, or
    change its form; several branches may be added at once. They are found by tracing
    `model(*inputs, **keywords)` in evaluation mode, whatever the code looks like; nothing is
    computed. A branch that ends otherwise, in an activation called inline, in one of several
    outputs, in a product with a gate or inside of a loop, gets no site, and a warning names it.
    Where the shortcut is a projection, a sum of two modules' outputs, there is no telling the
    branch from it: choose the place with `after`, or write it as a `Place`.

    Args:
      make: called with `rngs=`, returns a site: `functools.partial(DropPath, 0.1)`.
      *inputs: an example of what the model takes, arrays or `jax.ShapeDtypeStruct`s; what is no
        array is passed as it is.
      **keywords: more of it.
    """  # noqa: D205

    def rule(model: nnx.Module) -> list[Place]:
        ends, others = find_branches(trace(model, _without_dropout, inputs, keywords))
        if others:
            warnings.warn(
                "Expected residual branches that end in a module which returns one array; got "
                f"others, which get no site: {'; '.join(others)}. End them in a module of their "
                "own, or choose their places with `after`.",
                stacklevel=3,
            )
        return [Place(path, "after", make) for path in ends]

    return rule


def _without_dropout(model: Any) -> Any:
    bare = remove(model)
    bare.eval()
    return bare


def _found(model: nnx.Module, kinds: Kinds) -> Iterator[tuple[Path, Any]]:
    """Modules and functions of these kinds, in the model's own order."""
    return ((path, child) for path, child in walk(model) if _is_one(child, kinds))


def _is_one(child: Any, kinds: Kinds) -> bool:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    held = child.function if isinstance(child, Applied) else child
    function = held.func if isinstance(held, partial) else held
    classes = tuple(kind for kind in kinds if isinstance(kind, type))
    return isinstance(child, classes) or any(function is kind for kind in kinds)
