"""Many small networks, trained by one compiled program, which the devices share out.

The key of a network is split in three: for its weights, its batches and its masks. All are vmapped,
but for those that share their data on a CPU, where it is faster to train them one after another.
Numbers are traced, so other ones compile nothing. Training is cut into calls of some seconds, each
of which is told of; how it is cut changes no weight.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key

from experiments.training.devices import over_rows
from experiments.training.fingerprints import digest, fingerprint
from experiments.training.inputs import Inputs
from experiments.training.sweep import Pace, Tick
from jaxdrop import keep_mask

ADAM = optax.adam(1e-3)
SAMPLING = 0x5341_4D50  # "SAMP"


class Data(NamedTuple):
    """On what to train, and what else is traced."""

    numbers: Any
    x: Float[Array, "examples inputs"]
    y: Array


class Batch(NamedTuple):
    """Examples, and 1 for each that is one; 0 for what fills the last batch of an epoch."""

    x: Float[Array, "batch inputs"]
    y: Array
    present: Float[Array, " batch"]


class Plan(NamedTuple):
    """What fixes the compiled program; with functions of a module it is compiled once."""

    init: Callable[[Key[Array, ""], tuple[int, ...], Any], Any]
    """Weights from a key, the sizes and the numbers."""
    loss: Callable[[Any, Any, Batch, Key[Array, ""]], Float[Array, ""]]
    """Of weights and numbers on a batch, with masks from a key."""
    sizes: tuple[int, ...]
    batch_size: int
    steps: int
    """Of an epoch: what they do not reach is left out, what they lack is filled up."""


def fit(
    plan: Plan,
    epochs: int,
    shared: tuple[Any, ...],
    keys: Key[Array, " networks"],
    *own: Any,
    tick: Tick = lambda _: None,
) -> Any:
    """The trained weights; every leaf begins with the networks.

    Of the fields of `Data` the first are `shared`; the others are each network's `own`.
    """
    state, pace, epoch = _fresh(plan, shared, keys, own), Pace(tick), 0
    while epoch < epochs:
        train = partial(_trained, plan, shared, keys, own, state)
        epoch, state = pace.step(train, epoch, epochs)
    return state[0]


def sampling_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """Keeps the keys of samples apart from those of the training."""
    return jax.random.fold_in(key, SAMPLING)


def inputs(plan: Plan, keys: Key[Array, " networks"], data: Iterable[Any], examples: int) -> Inputs:
    """Digests of what the networks start from.

    The masks are those of the first step at rate 0.5, for all that a layer is given.
    """
    drawn = _drawn(plan, examples, keys)
    digests = {name: digest(np.asarray(numbers)) for name, numbers in drawn.items()}
    return Inputs(digest(*map(np.asarray, data)), **digests)


@partial(jax.jit, static_argnums=(0, 1))
def _drawn(plan: Plan, examples: int, keys: Key[Array, " networks"]) -> dict[str, Array]:
    def of_network(key: Key[Array, ""]) -> dict[str, Array]:
        _, batches, masks = jax.random.split(key, 3)
        step = jax.random.fold_in(jax.random.fold_in(masks, 0), 0)
        drawn = [
            fingerprint(keep_mask(jax.random.fold_in(step, layer), 0.5, (plan.batch_size, width)))
            for layer, width in enumerate(plan.sizes[:-1])
        ]
        order = _order(batches, 0, examples).astype(jnp.int32)
        known = jax.random.key_data(key), fingerprint(order), jnp.stack(drawn)
        return dict(zip(("keys", "batches", "masks"), known, strict=True))

    return lax.map(of_network, keys)


@partial(jax.jit, static_argnums=0)
def _fresh(plan: Plan, shared: Any, keys: Key[Array, " networks"], own: Any) -> Any:
    """Weights, and the state of the optimizer."""

    def of_network(shared: Any, key: Key[Array, ""], *own: Any) -> Any:
        weights, _, _ = jax.random.split(key, 3)
        params = plan.init(weights, plan.sizes, Data(*shared, *own).numbers)
        return params, ADAM.init(params)

    return over_rows(of_network, shared, keys, *own, vmapped=bool(own))


@partial(jax.jit, static_argnums=0)
def _trained(
    plan: Plan, shared: Any, keys: Any, own: Any, state: Any, first: np.int32, stop: np.int32
) -> Any:
    """The same, after the epochs from `first` to before `stop`."""

    def of_network(shared: Any, state: Any, key: Key[Array, ""], *own: Any) -> Any:
        first, stop, *given = shared
        epoch = partial(_epoch, plan, Data(*given, *own), jax.random.split(key, 3))
        # of a shared count the powers are computed once, not for each network, and rounded alike
        state = optax.tree_utils.tree_set(state, count=first * plan.steps)
        return lax.fori_loop(first, stop, epoch, state)

    return over_rows(of_network, (first, stop, *shared), state, keys, *own, vmapped=bool(own))


def _epoch(
    plan: Plan, data: Data, keys: Key[Array, " 3"], index: Int[Array, ""], state: Any
) -> Any:
    _, batches, masks = keys
    rows = _batches(plan, _order(batches, index, len(data.y)))
    step = partial(_step, plan, data, jax.random.fold_in(masks, index))
    return lax.scan(step, state, (jnp.arange(plan.steps), rows))[0]


def _order(key: Key[Array, ""], epoch: Any, examples: int) -> Int[Array, " examples"]:
    return jax.random.permutation(jax.random.fold_in(key, epoch), examples)


def _batches(plan: Plan, order: Int[Array, " examples"]) -> Int[Array, "steps batch"]:
    """An epoch's examples; their number stands for none."""
    room, examples = plan.steps * plan.batch_size, len(order)
    padding = (0, max(0, room - examples))
    rows = jnp.pad(order[:room], padding, constant_values=examples)
    return rows.reshape(plan.steps, plan.batch_size)


def _step(plan: Plan, data: Data, key: Key[Array, ""], state: Any, step: Any) -> tuple[Any, None]:
    (params, optimizer), (index, rows) = state, step
    present = (rows < len(data.y)).astype(data.x.dtype)
    batch = Batch(data.x[rows], data.y[rows], present)
    gradient = jax.grad(plan.loss)(params, data.numbers, batch, jax.random.fold_in(key, index))
    updates, optimizer = ADAM.update(gradient, optimizer)
    return (optax.apply_updates(params, updates), optimizer), None
