"""What an eager call costs, of shapes that were seen before: Python and dispatch."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import jaxdrop
from experiments.bench import measure
from experiments.bench.measure import Row, Tick
from experiments.bench.programs import Program

RATE, SHAPE, LEAVES = 0.1, (32, 32), 4


def calls() -> dict[str, dict[str, Callable[[], Any]]]:
    """Ours and what it is measured by, for each kind of call."""
    key, x = jax.random.key(0), jnp.ones(SHAPE)
    tree, layer = [x] * LEAVES, nnx.Dropout(RATE, deterministic=False)
    total = lambda drop: jax.grad(lambda x: drop(x).sum())  # noqa: E731
    ours, flax = lambda x: jaxdrop.dropout(key, x, RATE), lambda x: layer(x, rngs=key)
    return {
        "dropout": {"jaxdrop": lambda: ours(x), "flax": lambda: flax(x)},
        "its gradient": {"jaxdrop": lambda: total(ours)(x), "flax": lambda: total(flax)(x)},
        f"drop_connect of {LEAVES} leaves": {
            "jaxdrop": lambda: jaxdrop.drop_connect(key, tree, RATE),
            "flax": lambda: [flax(x) for x in tree],
        },
        "derive(step, layer)": {
            "jaxdrop": lambda: jaxdrop.derive(key, step=1, layer="a"),
            "two fold_in": lambda: jax.random.fold_in(jax.random.fold_in(key, 1), 2),
        },
    }


def rows(what: str, own: Mapping[str, Callable[[], Any]], repeats: int, tick: Tick) -> list[Row]:
    """One row a candidate, with its ratio to the last."""
    programs = {name: Program(call, jax.block_until_ready) for name, call in own.items()}
    seconds, reference = measure.interleave(programs, repeats, tick), [*own][-1:]
    return [
        measure.row(
            {"call": what, "candidate": name},
            samples,
            times_reference=measure.ratio(seconds, name, reference),
        )
        for name, samples in seconds.items()
    ]
