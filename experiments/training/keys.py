"""The keys of training: where every random number of it comes from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from experiments.training.task import Plan

PRNG = "threefry2x32"


class Streams(NamedTuple):
    """The keys of one seed. None of them knows of arms: arms share weights, batches and masks."""

    weights: Key[Array, ""]
    batches: Key[Array, ""]
    masks: Key[Array, ""]
    images: Key[Array, ""]


def seed_key(seed: Any, index: Any) -> Key[Array, ""]:
    """The key of one repetition; the first ones stay the same when repetitions are added."""
    return jax.random.fold_in(jax.random.key(seed, impl=PRNG), index)


def seed_keys(seed: int, seeds: int) -> Key[Array, " seeds"]:
    """The keys of all repetitions."""
    return jax.vmap(seed_key, (None, 0))(np.uint32(seed), jnp.arange(seeds))


def streams(seed: Any, index: Any) -> Streams:
    """What one repetition draws from."""
    return Streams(*jax.random.split(seed_key(seed, index), 4))


def batches(plan: Plan, streams: Streams, epoch: Int[Array, ""]) -> Int[Array, "steps batch"]:
    """Which of its own images an epoch takes, shuffled, in whole batches."""
    images = plan.train_size - plan.held_out
    order = jax.random.permutation(jax.random.fold_in(streams.batches, epoch), images)
    return order[: plan.steps_per_epoch * plan.batch_size].reshape(-1, plan.batch_size)


def mask_key(streams: Streams, epoch: Int[Array, ""], step: Int[Array, ""]) -> Key[Array, ""]:
    """The key from which the masks of a step are drawn."""
    return jax.random.fold_in(jax.random.fold_in(streams.masks, epoch), step)
