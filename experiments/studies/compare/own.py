"""A reader's model as a network to compare on: checked before anything trains."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.data.images import Dataset
from experiments.errors import expect
from experiments.models import Drop
from experiments.models.own import CALLS, Own
from experiments.models.surgery import Make, Rule
from experiments.studies.compare import insertion
from experiments.studies.compare.source import told
from experiments.training.devices import warn


def network(
    make: Make,
    data: Dataset,
    batch: int,
    insert: Iterable[str | Rule] = (),
    path: str | None = None,
) -> Own:
    """The architecture; `path` is the file that it is from, if there is one."""
    shape, dtype = data.x_train.shape[1:], data.x_train.dtype
    batch = min(batch, len(data.x_train))
    inputs = jax.ShapeDtypeStruct((batch, *shape), dtype)
    module = getattr(make, "__module__", "")
    rules = [
        insertion.rule(rule, module, inputs) if isinstance(rule, str) else rule for rule in insert
    ]
    own = Own(make, shape, str(dtype), tuple(rules))
    with told("the function to build a model", path):
        sites = own.sites
    with told(f"the model to be called on a batch of shape {inputs.shape}", path):
        _check_call(own, inputs, data)
        _check_sites(sites, own.draws(batch))
    return own


def _check_call(own: Own, inputs: jax.ShapeDtypeStruct, data: Dataset) -> None:
    """In training and in use, outputs are as the targets are, and state stays what it is."""
    places = (data.classes,) if data.has_classes else data.y_train.shape[1:]
    training = Drop(own.sites, jnp.zeros(len(own.sites)), jax.random.key(0), training=True)
    for x, drop in ((inputs, training), (own.example(), Drop(own.sites))):
        outputs, before, after = jax.eval_shape(lambda x, drop=drop: _called(own, x, drop), x)
        wanted = (*inputs.shape[: x.ndim - len(own.shape)], *places)
        what = f"outputs of shape {wanted}, as the targets ask for"
        fix = "For real targets pass --loss mse." if data.has_classes else ""
        expect(outputs.shape == wanted, what, f"shape {outputs.shape}", fix)
        kept, fix = _types(before) == _types(after), "Keep shapes and types of all variables."
        expect(kept, "state that is after a call of the model what it was before", "other", fix)


def _called(own: Own, x: Any, drop: Drop) -> tuple[Any, nnx.State, nnx.State]:
    model = own.build(jax.random.key(0))
    before, outputs = nnx.state(model), model(x, drop)
    return outputs, before, nnx.state(model)


def _types(state: nnx.State) -> tuple[Any, ...]:
    leaves, form = jax.tree.flatten(state)
    return form, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _check_sites(sites: tuple[str, ...], drawn: dict[int, tuple[int, ...]]) -> None:
    idle = [site for number, site in enumerate(sites) if number * CALLS not in drawn]
    fix = "Leave mode and rate to the site: self.dropout(x)."
    expect(len(idle) < len(sites), "sites that drop when the model trains", "none", fix)
    if idle:
        warn(f"the model does not drop at {', '.join(idle)}: there, no rate changes anything.")
