"""What a checkpoint holds, as orbax and npz take it: dictionaries of arrays; and its digest."""

from typing import Any

import jax
import numpy as np

from experiments import spread
from experiments.fingerprints import digest, fingerprints
from experiments.sweep import Block, History
from experiments.train import Metrics, TrainState

Tree = dict[str, Any]


def tree(state: TrainState, history: Tree) -> Tree:
    """As orbax takes it: dictionaries alone."""
    leaves = {f"{index:04}": leaf for index, leaf in enumerate(jax.tree.leaves(state))}
    return {"state": leaves, "history": history}


def tables(history: History) -> Tree:
    """The fresh networks go first, without metrics, for orbax takes no empty tables."""
    unknown = Metrics(
        *map(np.asarray, np.full((len(Metrics._fields), *history.fresh.shape), np.nan, np.float32))
    )
    blocks = [Block(unknown, history.fresh), *history.blocks]
    return {
        "metrics": np.stack([np.stack(block.metrics) for block in blocks]),
        "states": np.stack([block.states for block in blocks]),
    }


def shapes(rows: tuple[int, int], blocks: int) -> Tree:
    """What `tables` has for so many blocks: orbax and checks go by it."""
    return {
        "metrics": np.zeros((1 + blocks, len(Metrics._fields), *rows), np.float32),
        "states": np.zeros((1 + blocks, *rows), np.uint32),
    }


def check(tables: Tree, like: Tree) -> None:
    """Refuses tables of other shapes or types."""
    for name, table in tables.items():
        if (table.shape, table.dtype) != (like[name].shape, like[name].dtype):
            raise ValueError(f"{name} of shape {table.shape}")


def history(tables: Any) -> History:
    """The inverse of `tables`."""
    metrics, states = np.asarray(tables["metrics"]), np.asarray(tables["states"])
    blocks = [
        Block(Metrics(*map(np.asarray, four)), state)
        for four, state in zip(metrics, states, strict=True)
    ]
    return History(blocks[0].states, blocks[1:])


def digest_of(step: int, tree: Tree) -> str:
    """Of all that a checkpoint holds, and of when it was taken."""
    networks = spread.gathered(fingerprints(tree["state"]))
    return digest(np.array(step), networks, *map(np.asarray, tree["history"].values()))
