"""What the manifest's digests stand for is what training draws."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import probes, train
from experiments.compare import task_of
from experiments.fingerprints import fingerprint
from experiments.placements import arms_of
from tests.experiments import tiny


def digests(**changes):
    plan = task_of(tiny.config(), tiny.digits(), arms_of(("input",), (0.5,))).plan
    arguments = {
        "images": 60,
        "seed": np.uint32(0),
        "seeds": 2,
        "rates": np.array([0.3, 0.7], "f4"),
    }
    return probes.digests(plan, **(arguments | changes))


def test_each_digest_changes_with_what_it_is_of():
    before = digests()
    assert digests() == before
    seed = digests(seed=np.uint32(1))
    assert all(seed[name] != before[name] for name in before)
    rates = digests(rates=np.array([0.3, 0.8], "f4"))
    assert [name for name in before if rates[name] != before[name]] == ["masks"]
    images = digests(images=61)
    assert [name for name in before if images[name] != before[name]] == ["batches"]


def test_masks_are_those_that_the_network_applies():
    plan = task_of(tiny.config(), tiny.digits(), arms_of(("input",), (0.5,))).plan
    key, zero = train.streams(0, 1), jnp.int32(0)
    key = train.mask_key(key, zero, zero)
    expected = probes._masks(plan, key, jnp.float32(0.5))
    network = plan.architecture.build(jax.random.key(0))
    seen = {}

    def applied(x, *, rate, rngs):
        kept = network_dropout(jnp.ones_like(x), rate=rate, rngs=rngs) != 0
        seen.setdefault(x.shape[-1], fingerprint(kept))
        return x

    network_dropout: Any = network.dropout
    network.dropout = applied  # pyright: ignore
    network(jnp.ones((plan.batch_size, 64)), jnp.full(len(network.sites), 0.5), key)
    assert [int(seen[width]) for width in plan.architecture.sizes] == expected.tolist()
