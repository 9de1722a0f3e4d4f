"""What the manifest's digests stand for is what training draws."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.models import Drop, VisionTransformer
from experiments.training import inputs, keys
from experiments.training.fingerprints import fingerprint
from tests.experiments import tiny


def digests(**changes):
    plan = tiny.task(tiny.config()).plan
    arguments = {
        "seed": np.uint32(0),
        "seeds": np.arange(2),
        "images": np.tile(np.arange(60), (2, 1)),
        "rates": np.array([0.3, 0.7], "f4"),
    }
    return inputs.digests(plan, **(arguments | changes))


def test_each_digest_changes_with_what_it_is_of():
    before = digests()
    assert digests() == before
    seed = digests(seed=np.uint32(1))
    assert all(seed[name] != before[name] for name in before)
    rates = digests(rates=np.array([0.3, 0.8], "f4"))
    assert [name for name in before if rates[name] != before[name]] == ["masks"]
    images = digests(images=np.tile(np.arange(60)[::-1], (2, 1)))
    assert [name for name in before if images[name] != before[name]] == ["batches"]


def test_masks_are_those_that_the_network_applies():
    config = tiny.config()
    plan = tiny.task(config).plan

    class Seeing(Drop):
        def __call__(self, site, x, *_, draw=None, **__):
            kept = Drop.__call__(self, site, jnp.ones_like(x), draw=draw) != 0
            seen.setdefault(x.shape[-1], fingerprint(kept))
            return x

    seen, sites = {}, plan.architecture.sites

    @jax.jit
    def both():
        key = keys.mask_key(keys.streams(0, 1), jnp.int32(0), jnp.int32(0))
        network = plan.architecture.build(key)
        network(jnp.ones((plan.batch_size, 64)), Seeing(sites, jnp.full(len(sites), 0.5), key))
        return seen, inputs._masks(plan, key, jnp.float32(0.5))

    found, expected = both()
    assert [int(found[width]) for width in (64, *config.network.widths, 10)] == expected.tolist()


def test_masks_of_attention_are_as_large_as_its_weights():
    vision = VisionTransformer((4, 6, 2), 3, width=8, heads=2, blocks=1)
    assert vision.draws(5)[vision.sites.index("attention1")] == (5, 2, 6, 6)
