"""A run: which candidates are there, what is timed one after the other, what comes out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import jax
from rich.console import Console

from experiments.bench import attention, compiled, eager, large_steps, layers, sections
from experiments.bench.candidates import CANDIDATES, Candidate, Name, installed, labels
from experiments.bench.compiled import Comparison
from experiments.bench.large_steps import Step
from experiments.bench.options import Bench, Section, find_device
from experiments.bench.programs import Case
from experiments.bench.progress import shown
from experiments.bench.sections import Row, Tick
from experiments.bench.targets import require
from experiments.errors import expect
from experiments.runs.environment import environment
from experiments.words import counted

PEERS = ("flax", "dm-haiku", "equinox", "keras", "torch")
PACKAGES = ("jaxdrop", "jax", "jaxlib", "numpy", *PEERS, "libtpu", "jax-cuda12-plugin")

SLOW_REPEATS = 3
"""Samples at most of what takes seconds: compilations and imports."""


@dataclass(frozen=True)
class Job:
    """A piece of a section: its rows come from one interleaved comparison."""

    section: Section
    title: str
    ticks: int
    rows: Callable[[Tick], list[Row]]


def run(options: Bench, console: Console) -> dict[str, Any]:
    """Times what is asked for: a section's rows under its name, beside what they were run with."""
    options = options.resolved()
    if "compiled" in options.sections:
        require(options.targets)
    if {*options.sections} == {"compiled"}:
        jax.config.update("jax_platforms", "cpu")  # libtpu would look for a TPU, for a minute
    names = () if {*options.sections} == {"compiled"} else options.candidates
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


def jobs(options: Bench, found: list[Candidate], platform: str) -> Iterator[Job]:
    """The comparisons of the selected sections, in order."""
    if "dropout" in options.sections:
        yield from (_dropout_job(case, found, options.repeats) for case in cases(options, platform))
    if "training-step" in options.sections:
        yield from (_training_job(batch, found, options, platform) for batch in options.batches)
    slow = min(options.repeats, SLOW_REPEATS)
    if "compile-time" in options.sections:
        yield _compile_job(found, options, slow)
    if "import-time" in options.sections:
        ticks = len(sections.MODULES) * (slow + 1)
        yield Job("import-time", "imports", ticks, lambda tick: sections.import_rows(slow, tick))
    if "eager" in options.sections:
        yield from (_eager_job(what, calls, options) for what, calls in eager.calls().items())
    if "attention" in options.sections:
        yield from (_attention_job(one, options) for one in attentions(options, platform))
    if "large-steps" in options.sections:
        yield from (_large_step_job(step, options, platform) for step in options.steps)
    if "layers" in options.sections:
        yield from map(_layers_job, options.lengths)
    if "compiled" in options.sections:
        yield from map(_compiled_for_job, comparisons(options))


def cases(options: Bench, platform: str) -> Iterator[Case]:
    """Every shape in every dtype and kind."""
    for (shape, dtype), kind in product(options.data("dropout"), options.kinds):
        yield Case(shape, dtype, kind, options.rate, platform)


def attentions(options: Bench, platform: str) -> Iterator[attention.Comparison]:
    """Every length in every dtype and kind; by default float32, for a CPU has no other product."""
    for length, dtype in product(options.lengths, options.dtypes or ("float32",)):
        for kind in options.kinds:
            yield attention.Comparison(length, dtype, kind, platform)


def comparisons(options: Bench) -> Iterator[Comparison]:
    """For each target every shape in every dtype and kind, and the training steps."""
    for target in options.targets:
        compare = partial(Comparison, target, rate=options.rate, candidates=options.candidates)
        for (shape, dtype), kind in product(options.data("compiled"), options.kinds):
            yield compare(kind, shape, dtype)
        for step in options.steps:
            yield compare(step, large_steps.SHAPES[step], large_steps.DTYPE)


def work(todo: list[Job], console: Console) -> dict[str, list[Row]]:
    """Runs the jobs, and tells of them between the samples."""
    rows: dict[str, list[Row]] = {}
    with shown(sum(job.ticks for job in todo), console) as tell:
        for job in todo:
            tell(job.title, 0)
            done = job.rows(partial(tell, job.title, 1))
            rows.setdefault(job.section, []).extend(done)
    return rows


def _dropout_job(case: Case, found: list[Candidate], repeats: int) -> Job:
    def rows(tick: Tick) -> list[Row]:
        return sections.dropout_rows(case, found, repeats, tick)

    return Job("dropout", case.title, len(found) * repeats, rows)


def _training_job(batch: int, found: list[Candidate], options: Bench, platform: str) -> Job:
    applies = sections.dropouts(found, sections.TRAINED)

    def rows(tick: Tick) -> list[Row]:
        return sections.training_rows(batch, applies, options.repeats, platform, tick)

    ticks = len(applies) * options.repeats
    return Job("training-step", f"training step, batch {batch}", ticks, rows)


def _large_step_job(step: Step, options: Bench, platform: str) -> Job:
    names = labels(options.candidates, step=True)

    def rows(tick: Tick) -> list[Row]:
        return sections.large_step_rows(step, names, options.rate, options.repeats, platform, tick)

    return Job("large-steps", f"training step, {step}", len(names) * options.repeats, rows)


def _compile_job(found: list[Candidate], options: Bench, repeats: int) -> Job:
    applies = sections.dropouts(found, sections.COMPILED)

    def rows(tick: Tick) -> list[Row]:
        return sections.compile_rows(applies, options.sites, repeats, tick)

    ticks = len(applies) * repeats
    return Job("compile-time", f"compilation, {counted(options.sites, 'site')}", ticks, rows)


def _eager_job(what: str, calls: Mapping[str, Callable[[], Any]], options: Bench) -> Job:
    rows = partial(eager.rows, what, calls, options.repeats)
    return Job("eager", f"eager {what}", len(calls) * options.repeats, rows)


def _attention_job(comparison: attention.Comparison, options: Bench) -> Job:
    ticks = len(comparison.candidates) * options.repeats
    rows = partial(attention.rows, comparison, options.repeats)
    return Job("attention", comparison.title, ticks, rows)


def _layers_job(length: int) -> Job:
    title = f"twelve layers of attention, {length} tokens"
    return Job("layers", title, len(layers.ATTENDS), partial(layers.rows, length))


def _compiled_for_job(comparison: Comparison) -> Job:
    def rows(tick: Tick) -> list[Row]:
        return compiled.rows(comparison, tick)

    return Job("compiled", comparison.title, len(comparison.dropouts), rows)
