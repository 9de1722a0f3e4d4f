"""What `import jaxdrop` costs a program that has imported jax already."""

import subprocess
import sys
from collections.abc import Sequence

from experiments.bench.measure import Tick, in_turn

SCRIPT = """
import importlib, sys, time
*before, module = sys.argv[1:]
for name in before:
    importlib.import_module(name)
start = time.perf_counter()
importlib.import_module(module)
print(time.perf_counter() - start)
"""


def interleave(
    modules: Sequence[str], repeats: int, tick: Tick = lambda: None
) -> dict[str, list[float]]:
    """Seconds of each import in a fresh interpreter, in turn, after one round to warm up."""
    seconds = in_turn(modules, repeats + 1, import_once, tick)
    return {module: rounds[1:] for module, rounds in seconds.items()}


def import_once(module: str) -> float:
    """Seconds of one import: of jax itself, or of a module that comes on top of it."""
    command = [sys.executable, "-c", SCRIPT, *dict.fromkeys(("jax", module))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
