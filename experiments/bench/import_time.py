"""What `import jaxdrop` costs a program that has imported jax already."""

import subprocess
import sys
from collections.abc import Callable, Sequence

SCRIPT = """
import importlib, sys, time
import jax
start = time.perf_counter()
importlib.import_module(sys.argv[1])
print(time.perf_counter() - start)
"""
BARE = """
import time
start = time.perf_counter()
import jax
print(time.perf_counter() - start)
"""


def interleave(
    modules: Sequence[str], repeats: int, tick: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Seconds of each import in a fresh interpreter, in turn, after one round to warm up."""
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(repeats + 1):
        for module in modules:
            seconds[module].append(import_once(module))
            tick()
    return {module: rounds[1:] for module, rounds in seconds.items()}


def import_once(module: str) -> float:
    """Seconds of one import: of jax itself, or of a module that comes on top of it."""
    script = BARE if module == "jax" else SCRIPT
    command = [sys.executable, "-c", script, module]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
