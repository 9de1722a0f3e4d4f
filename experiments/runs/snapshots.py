"""What a checkpoint holds, as orbax and npz take it: dictionaries of arrays; and its digest."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from experiments.training import devices
from experiments.training.fingerprints import digest, fingerprints
from experiments.training.sweep import Block, History
from experiments.training.task import Metrics, TrainState

Tree = dict[str, Any]


def tree(state: TrainState, history: Tree) -> Tree:
    """As orbax takes it: dictionaries alone."""
    leaves = {f"{index:04}": leaf for index, leaf in enumerate(jax.tree.leaves(state))}
    return {"state": leaves, "history": history}


def tables(history: History, names: Sequence[str]) -> Tree:
    """The fresh networks go first, measured as NaN, for orbax takes no empty tables."""
    unknown = np.full((len(names), *history.fresh.shape), np.nan, np.float32)
    measured = [np.stack([block.measured[name] for name in names]) for block in history.blocks]
    return {
        "measured": np.stack([unknown, *measured]),
        "states": np.stack([history.fresh, *(block.states for block in history.blocks)]),
    }


def shapes(rows: tuple[int, int], blocks: int, names: Sequence[str]) -> Tree:
    """What `tables` has for so many blocks: orbax and checks go by it."""
    return {
        "measured": np.zeros((1 + blocks, len(names), *rows), np.float32),
        "states": np.zeros((1 + blocks, *rows), np.uint32),
    }


def history(tables: Any, names: Sequence[str]) -> History:
    """The inverse of `tables`."""
    measured, states = np.asarray(tables["measured"]), np.asarray(tables["states"])
    blocks = [
        _block(dict(zip(names, values, strict=True)), state)
        for values, state in zip(measured[1:], states[1:], strict=True)
    ]
    return History(states[0], blocks)


def _block(measured: Tree, states: np.ndarray) -> Block:
    return Block(Metrics(*map(measured.pop, Metrics._fields)), states, measured)


def digest_of(of: str, tree: Tree) -> str:
    """Of all that a checkpoint holds, and of which run, case and moment it is."""
    networks = devices.gathered(fingerprints(tree["state"]))
    return digest(np.array(of), networks, *map(np.asarray, tree["history"].values()))
