"""Which images of the pool a seed trains on, and which of these it holds out: each class's share.

All seeds share the images that test. With a pool that is no larger than what is trained on, all of
them train on all of it, in its order: so does a fixed split.
"""

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from experiments.errors import expect
from experiments.training.keys import seed_key
from experiments.training.task import Plan, Problem

IMAGES = 0x494D_4753  # "IMGS": apart from the keys of weights, batches and masks


def draw(
    plan: Plan, problem: Problem, seeds: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, "rows images"]:
    """The numbers of the training images of each seed; the last ones are held out."""
    labels, size = np.asarray(problem.data.y_train), plan.train_size
    if size == len(labels):
        return np.broadcast_to(np.arange(size, dtype=np.int32), (len(seeds), size))
    there, rows = np.unique(seeds.astype(np.int32), return_inverse=True)
    orders = np.asarray(_orders(problem.seed, there, len(labels)), np.int32)
    return np.stack([_drawn(order, labels, size, plan.held_out) for order in orders])[rows]


@partial(jax.jit, static_argnums=2)
def _orders(
    seed: Any, seeds: Int[np.ndarray, " seeds"], images: int
) -> Int[jax.Array, "seeds images"]:
    def of_seed(index: Any) -> jax.Array:
        key = jax.random.fold_in(seed_key(seed, index), IMAGES)
        return jax.random.permutation(key, images)

    return jax.vmap(of_seed)(seeds)


def _drawn(order: np.ndarray, labels: np.ndarray, size: int, held_out: int) -> np.ndarray:
    chosen = _first(order, labels, size)[:size]
    return _first(chosen, labels, size - held_out)


def _first(order: np.ndarray, labels: np.ndarray, size: int) -> np.ndarray:
    """The same order, but the first `size` hold of each class its share, where there are any."""
    classes = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    found = labels[order] if classes else np.zeros(len(order), int)
    share = shares(np.bincount(found), size)
    place = np.zeros(len(order), int)  # of each image, within its class
    for label in np.unique(found):
        place[found == label] = np.arange((found == label).sum())
    return order[np.argsort(place >= share[found], kind="stable")]


def shares(counts: Int[np.ndarray, " classes"], size: int) -> Int[np.ndarray, " classes"]:
    """How many of each class make `size`: in proportion, but of each that there is one."""
    there = counts > 0
    expect(size >= there.sum(), f"{there.sum()} images or more to train on, one a class", size,
           "Raise --train-size.")  # fmt: skip
    exact = size * counts / counts.sum()
    whole = np.floor(exact).astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: size - whole.sum()]] += 1
    for missing in np.flatnonzero(there & (whole == 0)):
        whole[whole.argmax()] -= 1
        whole[missing] += 1
    return whole
