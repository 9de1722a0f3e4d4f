"""What the arms of a seed share, as digests: data, keys, batches, masks, as training draws them.

Drawn for every seed, of the first epoch; masks of its first step, at every rate: for each site the
keep mask of its shape, where sites of one draw count once, and of a loop only its first step.

Of a reader's model these are the masks of `Dropout` at 16 bits, with the stream that the site
holds, where it stands in no stacked layers. For every other site (another operator, other bits,
streams handed over at the call) what is digested is a keep mask of its first key and shape, which
changes with them, but is not what it draws.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, UInt32

from experiments.training import keys
from experiments.training.draw import draw
from experiments.training.fingerprints import digest, fingerprint
from experiments.training.sweep import Task
from experiments.training.task import Plan
from jaxdrop import keep_mask


@dataclass(frozen=True)
class Inputs:
    """Digests of what a run starts from."""

    data: str
    keys: str
    batches: str
    masks: str


def of_task(task: Task) -> Inputs:
    """Those of a case."""
    plan, (data, seed), rates = task.plan, task.problem, np.unique(task.recipes.rates)
    seeds = task.layout.all_seeds
    images = draw(plan, task.problem, seeds)
    return Inputs(digest(*map(np.asarray, data)), **digests(plan, seed, seeds, images, rates))


def digests(
    plan: Plan, seed: Any, seeds: np.ndarray, images: np.ndarray, rates: np.ndarray
) -> dict[str, str]:
    """A digest each of keys, batches (as images of the pool) and masks."""
    drawn = _drawn(plan, seed, seeds, images, rates)
    return {name: digest(np.asarray(array)) for name, array in drawn.items()}


@partial(jax.jit, static_argnums=0)
def _drawn(
    plan: Plan,
    seed: Any,
    seeds: Int[np.ndarray, " seeds"],
    images: Int[np.ndarray, "seeds images"],
    rates: Float[np.ndarray, " rates"],
) -> dict[str, UInt32[Array, "..."]]:
    def of_seed(of: tuple[Int[Array, ""], Int[Array, " images"]]) -> dict[str, Array]:
        index, images = of
        key = keys.seed_key(seed, index)
        streams, first = keys.streams(seed, index), jnp.int32(0)
        images = images.astype(jnp.int32)
        batches = images[keys.batches(plan, streams, first)]
        masks = partial(_masks, plan, keys.mask_key(streams, first, first))
        return {
            "keys": jax.random.key_data(key),
            "batches": jnp.stack([fingerprint(each) for each in (batches, images)]),
            "masks": lax.map(masks, rates),
        }

    return lax.map(of_seed, (seeds, images))


def _masks(plan: Plan, key: Array, rate: Float[Array, ""]) -> UInt32[Array, " draws"]:
    """Fingerprints of the masks of all draws."""
    drawn = [
        fingerprint(keep_mask(jax.random.fold_in(key, draw), rate, shape))
        for draw, shape in plan.architecture.draws(plan.batch_size).items()
    ]
    return jnp.stack(drawn)
