"""`python -m experiments bench`: measures, prints, writes the numbers, tables, the picture."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from experiments.bench import plot, report
from experiments.bench.options import Bench, Output
from experiments.bench.run import run
from experiments.report.files import as_json
from experiments.runs import folder
from experiments.runs.manifest import sha256
from experiments.words import Unnamed, counted

COMPILED = (
    "Compiled, not run. kcycles: XLA's estimates for the kernels of a TPU, summed, in thousands; "
    "what it does not estimate (some reshapes, prefetches, an rbg key's generator) counts nothing. "
    "÷copy, ÷off: over that of x * 2, or of the step without dropout; bytes ÷: the same for what "
    "the kernels read and write (bench.json also has XLA's count, which takes prefetches for "
    "copies). G int: integer operations by elements, in 10^9, a rotation as one; temp B: temporary "
    "bytes an element of the data; kernels: launched; relayouts: kernels that move half the data "
    "or more and do nothing else; s: to trace and compile, on this machine."
)
LAYERS = (
    "MiB: temporary memory of the step, compiled for this machine and not run, beside weights and "
    "tokens; ÷Flax: over that of Flax's own attention."
)


def bench(options: Unnamed[Bench], output: Unnamed[Output]) -> None:
    """What does dropout cost? Times jaxdrop against other libraries and against a plain copy.

    Candidates are timed in turn in one process. Prints medians, spreads and ratios; the run folder
    also holds every sample, the tables as Markdown and a picture. Takes minutes: see --smoke.
    With --sections compiled nothing is timed: what XLA compiles for TPUs and a GPU is read instead.
    """
    path = output.folder(options.smoke)
    folder.check_folder(path, output.overwrite)
    results = run(options, Console(file=sys.stderr))
    console = Console(highlight=False)
    for table in report.tables(results["sections"]):
        console.print(report.screen(table))
    console.print(caption(results))
    with folder.locked(path):
        folder.check_free(path, output.overwrite)
        content, head = files(results), {name: results[name] for name in ("config", "environment")}
        folder.write(path, content, {"command": "bench", **head, "sha256": sha256(content)})
    print(f"Written to {path}")


def caption(results: Mapping[str, Any]) -> str:
    """What was run, and how its tables are read."""
    sections = {*results["sections"]}
    parts = ["SMOKE, which is no measurement."] if results["config"].get("smoke") else []
    there = results["environment"]
    where = f"jax {there['versions']['jax']} on {there['device']} ({there['processor']})."
    parts += [where] if sections - {"compiled"} else []
    parts += [timed(results)] if sections - {"compiled", "layers"} else []
    parts += [LAYERS] if "layers" in sections else []
    return " ".join(parts + ([COMPILED] if "compiled" in sections else []))


def timed(results: Mapping[str, Any]) -> str:
    """How tables of timings are read."""
    config = results["config"]
    return (
        f"Medians of {counted(config['repeats'], 'sample')}, candidates in turn; rate "
        f"{config['rate']} (training step and compilation: 0.5). fwd: forward; both: forward + "
        "backward; ±%: distance between the quartiles, in percent of the median; ÷copy: time over "
        "that of x * 2; ×peer: how many times faster than the fastest JAX peer; tax: time added to "
        "the step without dropout, round by round."
    )


def files(results: Mapping[str, Any]) -> dict[str, bytes]:
    """Everything but the manifest."""
    sections, text = results["sections"], caption(results)
    content = {
        "config.json": as_json(results["config"]),
        "bench.json": as_json(results),
        "table.md": report.markdown(sections, text).encode(),
    }
    if "dropout" in sections:
        content["bench.svg"] = plot.draw(sections["dropout"], text)
    return content
