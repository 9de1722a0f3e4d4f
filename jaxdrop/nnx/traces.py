"""A call of a model as a graph of values, which know the modules that they come out of."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Literal

from jaxdrop.flax_shared import Path
from jaxdrop.nnx.hooks import around, become, unseen
from jaxdrop.nnx.walk import copied, walk

LABEL = "dropout_label"  # the attribute of a traced module that tells what its outputs are named


class Output(NamedTuple):
    """What a value is to the module that returned it."""

    path: Path
    whole: bool  # all that the module returned, not one array of several


@dataclass(eq=False)
class Value:
    """A value of a traced program."""

    step: str  # the primitive that made it
    inputs: tuple["Value", ...]
    order: int
    shape: tuple[int, ...]
    parameters: dict[str, Any]
    output: Output | None
    modules: tuple[Path, ...]  # whose output it is, or which a loop that made it calls
    live: bool  # made from what the model takes or from what a module returned
    users: list["Value"] = field(default_factory=list)


class Graph(NamedTuple):
    """The values of a program, or of the body of a loop or a condition in it, in their order."""

    values: list[Value]
    looped: bool


def trace(
    model: nnx.Module, prepare: Callable[[Any], Any], inputs: Any, keywords: Any
) -> list[Graph]:
    """Traces a call of a copy of the model; what is no array goes in as it is."""
    leaves, form = jax.tree.flatten((inputs, keywords), is_leaf=_is_pytree)
    arrays = [leaf for leaf in leaves if _is_array(leaf)]
    outputs: dict[str, Output] = {}

    def call(*traced: Any) -> list[jax.Array]:
        rest = iter(traced)
        given = [next(rest) if _is_array(leaf) else _own(leaf) for leaf in leaves]
        arguments, named = jax.tree.unflatten(form, given)
        labelled = _labelled(prepare(copied(model)), outputs)  # a copy that the trace may change
        return [x for x in jax.tree.leaves(labelled(*arguments, **named)) if _is_array(x)]

    return _graphs(jax.make_jaxpr(call)(*arrays), outputs)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct)


def _is_pytree(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Pytree)


def _own(leaf: Any) -> Any:
    """Random streams that are passed to the model: theirs, which the trace must not advance."""
    return nnx.clone(leaf) if _is_pytree(leaf) else leaf


def _labelled(model: Any, outputs: dict[str, Output]) -> Any:
    """Has every module name what it returns, by names that `outputs` explains."""
    for i, (path, module) in enumerate(walk(model)):
        if path and isinstance(module, nnx.Module) and callable(module):
            label = f"output of module {i}"
            outputs |= {label: Output(path, True), f"{label}, in part": Output(path, False)}
            become(module, around(type(module), _label_outputs))
            setattr(module, LABEL, label)
    return model


def _label_outputs(module: Any, call: Any, arguments: Any, keywords: Any) -> Any:
    with unseen(module, LABEL) as (label,):
        outputs = call(*arguments, **keywords)
    name = label if isinstance(outputs, jax.Array) else f"{label}, in part"
    return jax.tree.map(
        lambda x: checkpoint_name(x, name) if isinstance(x, jax.Array) else x,
        outputs,
        is_leaf=_is_pytree,
    )


def _graphs(jaxpr: Any, outputs: dict[str, Output], looped: bool = False) -> list[Graph]:
    """The graph of a program, then those of its loops and conditions."""
    reading = _Reading(outputs)
    reading.run(jaxpr, [reading.add("input", var.aval, live=True) for var in _open(jaxpr).invars])
    inner = [_graphs(body, outputs, looped or loop) for body, loop in reading.bodies]
    return [Graph(reading.values, looped), *itertools.chain(*inner)]


class _Reading:
    """Reads a program into values: a function that it calls is written out where it is called."""

    def __init__(self, outputs: dict[str, Output]) -> None:
        self.outputs = outputs
        self.values: list[Value] = []
        self.bodies: list[tuple[Any, bool]] = []

    def run(self, jaxpr: Any, arguments: list[Value]) -> list[Value]:
        jaxpr = _open(jaxpr)
        held = dict(zip(jaxpr.invars, arguments, strict=True))
        held |= {var: self.add("constant", var.aval) for var in jaxpr.constvars}

        def read(atom: Any) -> Value:
            return self.add("constant", atom.aval) if isinstance(atom, Literal) else held[atom]

        for eqn in jaxpr.eqns:
            held |= zip(eqn.outvars, self.step(eqn, [*map(read, eqn.invars)]), strict=True)
        return [*map(read, jaxpr.outvars)]

    def step(self, eqn: Any, inputs: list[Value]) -> list[Value]:
        inner = [*_jaxprs(eqn)]
        if _is_call(eqn, inner):
            return self.run(inner[0], inputs)
        self.bodies += [(body, eqn.primitive.name != "cond") for body in inner]
        modules = tuple(dict.fromkeys(path for body in inner for path in self.called_in(body)))
        return [
            self.add(eqn.primitive.name, o.aval, inputs, eqn.params, modules) for o in eqn.outvars
        ]

    def called_in(self, jaxpr: Any) -> Iterator[Path]:
        """The modules whose outputs are named in a program."""
        for eqn in _open(jaxpr).eqns:
            if output := self.outputs.get(eqn.params.get("name", "")):
                yield output.path
            for body in _jaxprs(eqn):
                yield from self.called_in(body)

    def add(
        self,
        step: str,
        aval: Any,
        inputs: list[Value] = [],  # noqa: B006 - never changed
        parameters: dict[str, Any] = {},  # noqa: B006
        modules: tuple[Path, ...] = (),
        live: bool = False,
    ) -> Value:
        output = self.outputs.get(parameters["name"]) if step == "name" else None
        modules += (output.path,) if output else ()
        live = live or bool(modules) or any(value.live for value in inputs)
        shape, order = getattr(aval, "shape", ()), len(self.values)
        new = Value(step, tuple(inputs), order, shape, parameters, output, modules, live)
        self.values.append(new)
        for value in inputs:
            value.users.append(new)
        return new


def _open(jaxpr: Any) -> Any:
    return getattr(jaxpr, "jaxpr", jaxpr)


def _jaxprs(eqn: Any) -> Iterator[Any]:
    """The programs in the parameters of a step."""
    found = jax.tree.leaves([*eqn.params.values()], is_leaf=_is_jaxpr)
    return (each for each in found if _is_jaxpr(each))


def _is_jaxpr(value: Any) -> bool:
    return hasattr(_open(value), "eqns")


def _is_call(eqn: Any, inner: list[Any]) -> bool:
    """Whether a step does what its one program does: a jitted or rematerialised function."""
    if len(inner) != 1 or eqn.primitive.name in ("scan", "while"):
        return False
    jaxpr = _open(inner[0])
    inside, outside = (*jaxpr.invars, *jaxpr.outvars), (*eqn.invars, *eqn.outvars)
    return len(inside) == len(outside) and len(jaxpr.invars) == len(eqn.invars)
