"""What XLA makes of a dropout for a device that is not there: compiled and read, never run.

Each comparison has a process of its own (`python -m experiments.bench.compiled`), because what
`targets.ENVIRONMENT` holds must be set before JAX starts.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from experiments.bench import large_steps, optimized
from experiments.bench.candidates import Name, dropout_of, labels
from experiments.bench.large_steps import Step
from experiments.bench.measure import Row, Tick
from experiments.bench.programs import Apply, Dtype, Kind, forward_backward
from experiments.bench.targets import ENVIRONMENT, TOPOLOGIES, Target, compiler, platform
from experiments.errors import expect


@dataclass(frozen=True)
class Comparison:
    """One program for one target, with each of the candidates in it."""

    target: Target
    program: Kind | Step
    shape: tuple[int, ...]
    dtype: Dtype
    rate: float
    candidates: tuple[Name, ...]

    @property
    def dropouts(self) -> list[str]:
        """What the others are compared with comes first: the copy, or the step without dropout."""
        return labels(self.candidates, step=self.program in large_steps.NETWORKS)

    @property
    def title(self) -> str:
        """What is compiled, in words."""
        shape = "x".join(map(str, self.shape))
        return f"{self.target}, {shape} {self.dtype}, {self.program.replace('-', ' + ')}"


def rows(comparison: Comparison, tick: Tick) -> list[Row]:
    """A row a dropout, beside the copy or the step without dropout."""
    found: list[Row] = []
    for row in compiled_elsewhere(comparison):
        found.append(row)
        tick()
    names = ("target", "program", "shape", "dtype", "title")
    head = {name: getattr(comparison, name) for name in names}
    head["compiler"] = compiler(comparison.target)
    reference = next((row for row in found if row["dropout"] in ("copy", "off")), {})
    return [head | row | ratios(row, reference) for row in found]


def ratios(row: Row, reference: Row) -> Row:
    """Cycles and bytes over the reference's, where both are known."""
    names = ("cycles", "bytes", "accessed_bytes")
    pairs = ((name, row.get(name), reference.get(name)) for name in names)
    return {f"times_{name}": value / of if value and of else None for name, value, of in pairs}


def compiled_elsewhere(comparison: Comparison) -> Iterator[Row]:
    """The figures of each dropout, as soon as another process has them."""
    command = [sys.executable, "-m", "experiments.bench.compiled", json.dumps(asdict(comparison))]
    environment = {**os.environ, **ENVIRONMENT}
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process:
            yield from (json.loads(line) for line in process.stdout or () if line[0] == "{")
        said.seek(0)
        last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
        got = f"status {process.returncode}: {last}"
        expect(process.returncode == 0, f"a compiler that works for {comparison.title}", got)


def figures(comparison: Comparison, dropout: str) -> Row:
    """Compiles one program and reads it; one that the compiler refuses has its reason alone."""
    function, arguments = prepared(comparison, dropout)
    jax.clear_caches()
    start = time.perf_counter()
    try:
        compiled = jax.jit(function).lower(*arguments).compile()
    except jax.errors.JaxRuntimeError as error:  # such as too little memory
        return {"dropout": dropout, "error": str(error).splitlines()[0]}
    seconds = time.perf_counter() - start
    return {"dropout": dropout, **read(compiled, comparison), "compile_seconds": seconds}


def prepared(comparison: Comparison, dropout: str) -> tuple[Callable[..., Any], Any]:
    """A program and its arguments, as shapes on the target."""
    apply, generator = dropout_of(dropout, comparison.rate, comparison.dtype)
    function, *data = program(comparison, apply)
    key = jax.eval_shape(lambda: jax.random.key(0, impl=generator))
    topology = topologies.get_topology_desc(**TOPOLOGIES[comparison.target])
    there = SingleDeviceSharding(topology.devices[0])
    place = partial(jax.ShapeDtypeStruct, sharding=there)
    return function, jax.tree.map(lambda each: place(each.shape, each.dtype), (key, *data))


def program(comparison: Comparison, apply: Apply) -> tuple[Any, ...]:
    """A function of a key and of data, and the shapes of the data."""
    x = jax.ShapeDtypeStruct(comparison.shape, comparison.dtype)
    match comparison.program:
        case "forward":
            return apply, x
        case "forward-backward":
            return forward_backward(apply), x, x
        case step:
            return large_steps.program(step, apply), *large_steps.inputs(step)


def read(compiled: Any, comparison: Comparison) -> Row:
    """The figures of a compiled program: no cycles for a GPU, no count of operations for a TPU."""
    program, elements = optimized.parse(compiled.as_text()), math.prod(comparison.shape)
    on_tpu = platform(comparison.target) == "tpu"
    return {
        "cycles": optimized.cycles(program) if on_tpu else None,
        "bytes": optimized.moved_bytes(program),
        "accessed_bytes": (compiled.cost_analysis() or {}).get("bytes accessed"),
        "integer_operations": None if on_tpu else optimized.integer_operations(program),
        "temporary_bytes": compiled.memory_analysis().temp_size_in_bytes,
        "elements": elements,
        "kernels": sum(times for _, times in program.kernels()),
        "relayouts": optimized.relayouts(program, elements),
    }


if __name__ == "__main__":
    given = Comparison(**json.loads(sys.argv[1]))
    for dropout in given.dropouts:
        print(json.dumps(figures(given, dropout)), flush=True)
