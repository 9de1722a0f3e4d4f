"""A reader's model as a network to compare on: with the dropout that is asked for, and checked.

The rules of `jaxdrop.nnx.insert` are typed; all is checked before anything trains.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.data.images import Dataset
from experiments.errors import InputError, expect
from experiments.models import Drop
from experiments.models.own import CALLS, Own
from experiments.models.surgery import Make, Rule
from experiments.studies.compare.source import told
from experiments.training.devices import warn
from jaxdrop import nnx as rules

ELEMENT = partial(rules.Dropout, 0.5)  # at a rate that is set later
PATH = partial(rules.DropPath, 0.5)
OF_KINDS = {"after": rules.after, "before-last": rules.before_last}
ALONE: Mapping[str, Callable[[jax.ShapeDtypeStruct], Rule]] = {
    "after-activations": lambda _: rules.after_activations(ELEMENT),
    "in-attention": lambda _: rules.in_attention(0.5),
    "on-branches": lambda example: rules.on_branches(PATH, example),
}
NAMES = ("after:CLASS", "before-last:CLASS", *ALONE)


def network(
    make: Make,
    data: Dataset,
    batch: int,
    insert: Iterable[str | Rule] = (),
    path: str | None = None,
    rates: Iterable[float] = (),
) -> Own:
    """The architecture; `path` is the file that it is from, if there is one."""
    shape, dtype = data.x_train.shape[1:], data.x_train.dtype
    batch = min(batch, len(data.x_train))
    inputs = jax.ShapeDtypeStruct((batch, *shape), dtype)
    module = getattr(make, "__module__", "")
    asked = (_rule(one, module, inputs) if isinstance(one, str) else one for one in insert)
    own = Own(make, shape, str(dtype), tuple(asked))
    with told("the function to build a model", path):
        sites = own.sites
    _check_state(own)
    _check_rates(own, rates)
    with told(f"the model to be called on a batch of shape {inputs.shape}", path):
        _check_call(own, inputs, data)
        drawn = own.draws(batch)
        idle = [site for number, site in enumerate(sites) if number * CALLS not in drawn]
        fix = "Leave mode and rate to the site: self.dropout(x)."
        expect(len(idle) < len(sites), "sites that drop when the model trains", "none", fix)
    if idle:
        warn(f"the model does not drop at {', '.join(idle)}: there, no rate changes anything.")
    return own


def _rule(words: str, module: str, example: jax.ShapeDtypeStruct) -> Rule:
    """Classes are those of the module where the model is from, or else of Flax."""
    name, _, kinds = words.partition(":")
    known = name in OF_KINDS if kinds else name in ALONE
    expect(known, f"--insert to be one of {', '.join(NAMES)}", repr(words))
    if not kinds:
        return ALONE[name](example)
    expect(all(kinds.split(",")), "a name on each side of a comma in --insert", repr(words))
    return OF_KINDS[name](tuple(_kind(kind, module) for kind in kinds.split(",")), ELEMENT)


def _kind(name: str, module: str) -> Any:
    places = sys.modules.get(module), nnx, jax.nn
    found = next((getattr(place, name) for place in places if hasattr(place, name)), None)
    where = f"a class of the file or of flax.nnx, or a function of jax.nn, as {name} in --insert"
    expect(callable(found), where, "none of that name", "Try after:Linear.")
    return found


def _check_state(own: Own) -> None:
    """Training carries on variables of real numbers alone, and only such have gradients."""
    of_params = (jnp.floating,), "floating-point numbers in every nnx.Param"
    of_rest = (jnp.floating, jnp.integer, jnp.bool_), "real numbers in the state"
    fixes = "Streams are nnx.RngStream.", "What is not trained is an nnx.Variable."
    for path, leaf in nnx.to_flat_state(nnx.state(own.built)):
        trained, name = isinstance(leaf, nnx.Param), ".".join(map(str, path[1:]))
        kinds, wanted = of_params if trained else of_rest
        for array in jax.tree.leaves(leaf):
            good = any(jnp.issubdtype(array.dtype, kind) for kind in kinds)
            expect(good, f"{wanted} of the model", f"{array.dtype} in {name}", fixes[trained])


def _check_rates(own: Own, rates: Iterable[float]) -> None:
    """Before they are traced: then a site no longer sees them."""
    named = zip(own.sites, own.built.sites, strict=True)
    for rate, (name, site) in itertools.product(rates, named):
        try:
            site._operation.check(rate, ())
        except ValueError as error:
            got = f"got at {name}: {error} Pass other --rates."
            raise InputError(f"Expected rates that every site takes; {got}") from None


def _check_call(own: Own, inputs: jax.ShapeDtypeStruct, data: Dataset) -> None:
    """In training and in use, outputs are as the targets are, and state stays what it is."""
    places = (data.classes,) if data.has_classes else data.y_train.shape[1:]
    training = Drop(own.sites, jnp.zeros(len(own.sites)), jax.random.key(0), training=True)
    for x, drop in ((inputs, training), (own.example(), Drop(own.sites))):
        outputs, before, after = jax.eval_shape(lambda x, drop=drop: _called(own, x, drop), x)
        wanted = (*inputs.shape[: x.ndim - len(own.shape)], *places)
        what = f"outputs of shape {wanted}, as the targets ask for"
        fix = ""
        if x is inputs and data.has_classes:
            fix = f"The data are of {data.classes} classes: the model gives a logit for each."
            fix = "For real targets pass --loss mse." if outputs.size == outputs.shape[0] else fix
        expect(outputs.shape == wanted, what, f"shape {outputs.shape}", fix)
        kept, fix = _types(before) == _types(after), "Keep shapes and types of all variables."
        expect(kept, "state that is after a call of the model what it was before", "other", fix)


def _called(own: Own, x: Any, drop: Drop) -> tuple[Any, nnx.State, nnx.State]:
    """As a step calls it, with gradients."""
    params, rest = nnx.state(own.build(jax.random.key(0)), nnx.Param, nnx.Not(nnx.Param))

    def loss(params: nnx.State) -> tuple[Any, tuple[Any, nnx.State, nnx.State]]:
        model = own.bind(params, rest)
        before = nnx.state(model)
        model.begin(drop)
        graph, outputs = nnx.graphdef(model), model(x, drop)
        fix = "What a call changes is kept in an nnx.Variable alone."
        same = nnx.graphdef(model) == graph
        expect(same, "a model whose attributes no call changes", "another after a call", fix)
        return outputs.sum(), (outputs, before, nnx.state(model))

    return jax.grad(loss, has_aux=True)(params)[1]


def _types(state: nnx.State) -> tuple[Any, ...]:
    leaves, form = jax.tree.flatten(state)
    return form, [(leaf.shape, leaf.dtype) for leaf in leaves]
