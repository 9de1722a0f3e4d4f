"""Arrays that are done, as files: each appears whole, and is checked when it is read."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.runs import folder as runs
from experiments.training import devices
from experiments.training.fingerprints import digest

DIGEST = "sha256"
Tree = Mapping[str, np.ndarray]


def write(path: Path, tree: Tree, of: str) -> None:
    """With a digest of all that is in it, and of what it is of."""
    content = io.BytesIO()
    named: dict[str, Any] = {**tree, DIGEST: np.array(_digest(tree, of))}
    np.savez(content, **named)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.put(path, content.getvalue())


def read(path: Path, of: str) -> Tree | None:
    """None if there is no such file, and after a warning if it is not what was written."""
    try:
        with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
            tree = dict(file)
        if str(tree.pop(DIGEST)) == _digest(tree, of):
            return tree
        reason = "it is not what its digest says"
    except FileNotFoundError:
        return None
    except Exception as error:  # zipfile and numpy meet damage with errors of every kind
        reason = str(error) or type(error).__name__
    devices.warn(f"{path} is damaged ({reason}): that part is trained again.")
    return None


def _digest(tree: Tree, of: str) -> str:
    """Of names and bytes; whose they are fixes shapes and types."""
    names = sorted(tree)
    return digest(np.array([of, *names]), *(tree[name] for name in names))
