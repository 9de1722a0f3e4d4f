"""What tests of models look at: one site on its own, and what it does."""

import functools

import jax
import numpy as np
from flax import nnx

from experiments.models import Architecture, Drop

KEY = jax.random.key(1)


def drop_at(sites, *on, rate=0.5, training=False):
    rates = np.array([rate * (site in on) for site in sites], np.float32)
    return Drop(sites, rates, KEY, training)


class Log(Drop):
    """Keeps what each site is given, and what it gives back, but for what is inside a loop."""

    seen: list

    def __call__(self, site, x, *args, **options):
        return self.note(site, x, super().__call__(site, x, *args, **options))

    def attend(self, site, query, keys, values):
        return self.note(site, values, super().attend(site, query, keys, values))

    def note(self, site, before, after):
        if getattr(after, "_trace", None) is getattr(self.rates, "_trace", 0):
            self.seen.append((site, before, after))
        return after


@functools.cache
def program(architecture: Architecture):
    """The logits at some rates, and what each site saw: one program for all tests of a model."""
    names = []

    @jax.jit
    def run(states, x, rates):
        log = Log(architecture.sites, rates, KEY)
        log.seen = []
        logits = architecture.bind(states)(x, log)
        names[:] = [site for site, *_ in log.seen]
        return logits, [both for _, *both in log.seen]

    return run, names


def logged(architecture: Architecture, model, x, *on):
    """Of each site, or of those that drop: its name, what it was given, what it gave."""
    run, names = program(architecture)
    _, seen = run(nnx.state(model), x, drop_at(architecture.sites, *on).rates)
    both = [tuple(map(np.asarray, pair)) for pair in seen]
    assert both, "no site was seen"
    return [(site, *pair) for site, pair in zip(names, both, strict=True) if not on or site in on]


def plain(architecture: Architecture, model):
    """The model in use, compiled."""
    states = nnx.state(model)
    run = lambda x, rates=None: architecture.bind(states)(x, Drop(architecture.sites, rates))  # noqa: E731
    return jax.jit(run)


def every_site(architecture: Architecture, model, x):
    """The logits without dropout, and with each site at 0.5."""
    rates = np.eye(len(architecture.sites), dtype=np.float32) / 2
    return [logits(architecture, model, x, each) for each in (0 * rates[0], *rates)]


def logits(architecture: Architecture, model, x, rates):
    """Those of a step at these rates."""
    return np.asarray(program(architecture)[0](nnx.state(model), x, rates)[0])
