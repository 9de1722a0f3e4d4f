"""A run: which candidates are there, what is timed one after the other, what comes out."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import jax
from rich.console import Console

from experiments.bench import attention, compiled, eager, large_steps, layers, sections
from experiments.bench.candidates import CANDIDATES, Candidate, Name, installed, labels
from experiments.bench.measure import Row, Tick
from experiments.bench.options import Bench, Section, find_device
from experiments.bench.programs import Case
from experiments.bench.progress import shown
from experiments.bench.targets import require
from experiments.errors import expect
from experiments.runs.environment import environment
from experiments.words import counted

PEERS = ("flax", "dm-haiku", "equinox", "keras", "torch")
PACKAGES = ("jaxdrop", "jax", "jaxlib", "numpy", *PEERS, "libtpu", "jax-cuda12-plugin")


class Job(NamedTuple):
    """A piece of a section: its rows come from one interleaved comparison."""

    title: str
    ticks: int
    rows: Callable[[Tick], list[Row]]


def run(options: Bench, console: Console) -> dict[str, Any]:
    """Times what is asked for: a section's rows under its name, beside what they were run with."""
    options = options.resolved()
    names = options.candidates
    if "compiled" in options.sections:
        require(options.targets)
    if {*options.sections} == {"compiled"}:
        jax.config.update("jax_platforms", "cpu")  # libtpu would look for a TPU, for a minute
        names = ()
    device = find_device(options.device)
    with jax.default_device(device):
        found, missing = installed(names, device.platform)
        require_peers(names, found, missing)
        for name, reason in missing.items():
            console.print(f"Missing: {name} ({reason})")
        rows = work(list(jobs(options, found, device.platform)), console)
    return {
        "config": asdict(options),
        "environment": asdict(environment(PACKAGES, device)),
        "missing": missing,
        "sections": rows,
    }


def require_peers(
    names: tuple[Name, ...], found: list[Candidate], missing: dict[Name, str]
) -> None:
    """A comparison that was to have peers, and has none, is none."""
    wanted = any(CANDIDATES[name].is_peer for name in names)
    there = any(candidate.is_peer for candidate in found)
    reasons = ", ".join(f"{name} ({reason})" for name, reason in missing.items())
    fix = "They come with pip install 'jaxdrop[bench]'."
    expect(there or not wanted, "a library to compare with", f"none: {reasons}", fix)


def jobs(options: Bench, found: list[Candidate], platform: str) -> Iterator[tuple[Section, Job]]:
    """The comparisons of the selected sections, in order."""
    for section, make in JOBS.items():
        if section in options.sections:
            for job in make(options, found, platform):
                yield section, job


def work(todo: list[tuple[Section, Job]], console: Console) -> dict[str, list[Row]]:
    """Runs the jobs, and tells of them between the samples."""
    rows: dict[str, list[Row]] = {}
    with shown(sum(job.ticks for _, job in todo), console) as tell:
        for section, job in todo:
            tell(job.title, 0)
            rows.setdefault(section, []).extend(job.rows(partial(tell, job.title, 1)))
    return rows


def _dropout(options: Bench, found: list[Candidate], platform: str) -> Iterator[Job]:
    """Every shape in every dtype and kind."""
    for (shape, dtype), kind in product(options.data("dropout"), options.kinds):
        case = Case(shape, dtype, kind, options.rate, platform)
        rows = partial(sections.dropout_rows, case, found, options.repeats)
        yield Job(case.title, len(found) * options.repeats, rows)


def _training_step(options: Bench, found: list[Candidate], platform: str) -> Iterator[Job]:
    applies = sections.dropouts(found, sections.TRAINED)
    for batch in options.batches:
        rows = partial(sections.training_rows, batch, applies, options.repeats, platform)
        yield Job(f"training step, batch {batch}", len(applies) * options.repeats, rows)


def _compile_time(options: Bench, found: list[Candidate], _: str) -> Iterator[Job]:
    applies, repeats = sections.dropouts(found, sections.COMPILED), options.slow_repeats
    rows = partial(sections.compile_rows, applies, options.sites, repeats)
    yield Job(f"compilation, {counted(options.sites, 'site')}", len(applies) * repeats, rows)


def _import_time(options: Bench, *_: Any) -> Iterator[Job]:
    ticks = len(sections.MODULES) * (options.slow_repeats + 1)
    yield Job("imports", ticks, partial(sections.import_rows, options.slow_repeats))


def _eager(options: Bench, *_: Any) -> Iterator[Job]:
    for what, calls in eager.calls().items():
        rows = partial(eager.rows, what, calls, options.repeats)
        yield Job(f"eager {what}", len(calls) * options.repeats, rows)


def _attention(options: Bench, _: Any, platform: str) -> Iterator[Job]:
    """Every length in every dtype and kind; by default float32, for a CPU has no other product."""
    for setting in product(options.lengths, options.dtypes or ("float32",), options.kinds):
        one = attention.Comparison(*setting, platform)
        rows = partial(attention.rows, one, options.repeats)
        yield Job(one.title, len(one.candidates) * options.repeats, rows)


def _large_steps(options: Bench, _: Any, platform: str) -> Iterator[Job]:
    names, repeats = labels(options.candidates, step=True), options.repeats
    for step in options.steps:
        rows = partial(sections.large_step_rows, step, names, options.rate, repeats, platform)
        yield Job(f"training step, {step}", len(names) * repeats, rows)


def _layers(options: Bench, *_: Any) -> Iterator[Job]:
    for length in options.lengths:
        title = f"twelve layers of attention, {length} tokens"
        yield Job(title, len(layers.ATTENDS), partial(layers.rows, length))


def _compiled(options: Bench, *_: Any) -> Iterator[Job]:
    """For each target every shape in every dtype and kind, and the training steps."""
    data = product(options.data("compiled"), options.kinds)
    programs: list[Any] = [(kind, shape, dtype) for (shape, dtype), kind in data]
    programs += [(step, large_steps.SHAPES[step], large_steps.DTYPE) for step in options.steps]
    for target, (program, shape, dtype) in product(options.targets, programs):
        of = target, program, shape, dtype, options.rate, options.candidates
        one = compiled.Comparison(*of)
        yield Job(one.title, len(one.dropouts), partial(compiled.rows, one))


JOBS: dict[Section, Callable[[Bench, list[Candidate], str], Iterator[Job]]] = {
    "dropout": _dropout,
    "training-step": _training_step,
    "compile-time": _compile_time,
    "import-time": _import_time,
    "eager": _eager,
    "attention": _attention,
    "large-steps": _large_steps,
    "layers": _layers,
    "compiled": _compiled,
}
