"""What dropout adds to the time before the first step: tracing, and lowering with compilation."""

import gc
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
from jaxtyping import Array, Float32, Key

from experiments.bench.measure import Tick, in_turn
from experiments.bench.programs import Apply

WIDTH, BATCH = 64, 32


class Seconds(NamedTuple):
    """One compilation, in seconds."""

    trace: float
    compile: float


def interleave(
    dropouts: Mapping[str, Apply], sites: int, repeats: int, tick: Tick = lambda: None
) -> dict[str, list[Seconds]]:
    """Compiles the gradient of the model in turn, after small ones to warm up."""
    for dropout in dropouts.values():
        compile_once(dropout, sites=1)
    return in_turn(dropouts, repeats, lambda name: compile_once(dropouts[name], sites), tick)


def compile_once(dropout: Apply, sites: int) -> Seconds:
    """Traces and compiles the model with nothing left over from earlier compilations."""
    jax.clear_caches()
    gc.collect()  # else a candidate pays for what the one before it left
    arguments = inputs(sites)
    start = time.perf_counter()
    traced = jax.jit(jax.grad(model(dropout), argnums=1)).trace(*arguments)
    middle = time.perf_counter()
    traced.lower().compile()
    return Seconds(middle - start, time.perf_counter() - middle)


def inputs(sites: int) -> tuple[Key[Array, " sites"], Float32[Array, "sites w w"], Array]:
    """A key and weights for each site, and a batch."""
    keys, weights, x = jax.random.split(jax.random.key(0), 3)
    return (
        jax.random.split(keys, sites),
        jax.random.normal(weights, (sites, WIDTH, WIDTH)) / WIDTH,
        jax.random.normal(x, (BATCH, WIDTH)),
    )


def model(dropout: Apply) -> Callable[..., Float32[Array, ""]]:
    """Residual layers written out one after the other, each with its dropout site."""

    def loss(keys: Key[Array, " sites"], weights: Array, x: Array) -> Float32[Array, ""]:
        for i in range(len(weights)):
            x = x + dropout(keys[i], jax.nn.relu(x @ weights[i]))
        return (x**2).mean()

    return loss
