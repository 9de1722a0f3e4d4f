"""What tests of models look at: one site on its own, and what it does."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer

from experiments.models import Architecture, Drop

KEY = jax.random.key(1)


def drop_at(sites, *on, rate=0.5, training=False):
    return Drop(sites, jnp.float32([rate * (site in on) for site in sites]), KEY, training)


class Log(Drop):
    """Keeps what each site is given, and what it gives back."""

    seen: list

    def __call__(self, site, x, *args, **options):
        dropped = super().__call__(site, x, *args, **options)
        if not isinstance(dropped, Tracer):
            self.seen.append((site, np.asarray(x), np.asarray(dropped)))
        return dropped

    def attend(self, site, query, keys, values):
        attended = super().attend(site, query, keys, values)
        if not isinstance(attended, Tracer):
            self.seen.append((site, np.asarray(values), np.asarray(attended)))
        return attended


def logged(architecture: Architecture, model, x, *on):
    """Of each site, or of those that drop: its name, what it was given, what it gave."""
    log = Log(*drop_at(architecture.sites, *on))
    log.seen = []
    model(x, log)
    return [(site, before, after) for site, before, after in log.seen if not on or site in on]


def plain(architecture: Architecture, model):
    """The model without dropout, compiled."""
    states = nnx.state(model)
    return jax.jit(lambda x: architecture.bind(states)(x, Drop(architecture.sites)))


def every_site(architecture: Architecture, model, x):
    """The logits without dropout, and with each site at 0.5, by one program."""
    sites, states = architecture.sites, nnx.state(model)
    run = jax.jit(lambda rates: architecture.bind(states)(x, Drop(sites, rates, KEY)))
    rates = np.eye(len(sites), dtype=np.float32) / 2
    return list(map(np.asarray, map(run, (0 * rates[0], *rates))))
