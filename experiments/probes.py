"""What the arms of a seed share, as digests: keys, batches, masks, as training draws them.

Drawn for every seed, of the first epoch; masks of its first step, at every rate.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, UInt32

from experiments import train
from experiments.fingerprints import digest, fingerprint
from experiments.models import Perceptron
from experiments.train import Plan
from jaxdrop import keep_mask


def digests(
    plan: Plan, images: int, seed: np.ndarray, seeds: int, rates: np.ndarray
) -> dict[str, str]:
    """A digest each of keys, batches and masks."""
    drawn = _drawn(plan, images, jnp.asarray(seed), jnp.arange(seeds), jnp.asarray(rates))
    return {name: digest(np.asarray(numbers)) for name, numbers in drawn.items()}


@partial(jax.jit, static_argnums=(0, 1))
def _drawn(
    plan: Plan,
    images: int,
    seed: UInt32[Array, ""],
    seeds: Int[Array, " seeds"],
    rates: Float[Array, " rates"],
) -> dict[str, UInt32[Array, "..."]]:
    def of_seed(index: Int[Array, ""]) -> dict[str, Array]:
        key = train.seed_key(seed, index)
        streams, first = train.streams(seed, index), jnp.int32(0)
        masks = partial(_masks, plan, train.mask_key(streams, first, first))
        return {
            "keys": jax.random.key_data(key),
            "batches": fingerprint(train.batches(plan, images, streams, first)),
            "masks": lax.map(masks, rates),
        }

    return lax.map(of_seed, seeds)


def _masks(plan: Plan, key: Array, rate: Float[Array, ""]) -> UInt32[Array, " layers"]:
    """Fingerprints of the masks of all layers."""
    assert isinstance(plan.architecture, Perceptron), "what a comparison trains"
    drawn = [
        fingerprint(keep_mask(jax.random.fold_in(key, layer), rate, (plan.batch_size, width)))
        for layer, width in enumerate(plan.architecture.sizes)
    ]
    return jnp.stack(drawn)
