"""The parts of a run that are timed; each gives the rows of its table, as JSON will hold them."""

import numpy as np

from experiments.bench import compile_time, import_time, large_steps, measure, training_step
from experiments.bench.candidates import FACTORIES, Candidate, Name, dropout_of, off
from experiments.bench.large_steps import Step
from experiments.bench.measure import Row, Tick
from experiments.bench.programs import Apply, Case, compile_program

TRAINED: tuple[Name, ...] = ("jaxdrop-8", "jaxdrop-16", "jaxdrop-32", "flax-nnx")
"""Whose dropout the training step uses."""
COMPILED: tuple[Name, ...] = ("jaxdrop-16", "flax-nnx")
"""Whose dropout the model uses that is compiled: that takes seconds each time."""
TRAINING_RATE = 0.5
MODULES = ("jax", "jaxdrop", "flax.nnx")


def dropout_rows(case: Case, found: list[Candidate], repeats: int, tick: Tick) -> list[Row]:
    """One row a candidate, with its ratio to the copy and its speed against the peers."""
    programs = {candidate.name: candidate.prepare(case) for candidate in found}
    seconds = measure.interleave(programs, repeats, tick)
    what = {"shape": list(case.shape), "dtype": case.dtype, "kind": case.kind}
    groups = {str(candidate.name): candidate.group for candidate in found}
    return [what | row for row in compare(seconds, groups)]


def compare(seconds: dict[str, list[float]], groups: dict[str, str]) -> list[Row]:
    """The ratios of a case: «faster» is the fastest peer's median over one's own."""
    jax_peers = [name for name, group in groups.items() if group == "jax-peer"]
    peers = [name for name, group in groups.items() if group.endswith("peer")]
    return [
        measure.row(
            {"candidate": name, "group": groups[name]},
            samples,
            times_copy=measure.ratio(seconds, name, ["copy"]),
            faster_than_jax_peers=inverse(measure.ratio(seconds, name, jax_peers)),
            faster_than_peers=inverse(measure.ratio(seconds, name, peers)),
        )
        for name, samples in seconds.items()
    ]


def inverse(ratio: float | None) -> float | None:
    """1 / ratio, where there is one."""
    return None if ratio is None else 1 / ratio


def dropouts(found: list[Candidate], names: tuple[Name, ...]) -> dict[str, Apply]:
    """No dropout, and those of the named ones that are there."""
    there = {candidate.name for candidate in found}
    factories = {name: FACTORIES[name][1] for name in names if name in there}
    made = {name: make(TRAINING_RATE, "float32") for name, make in factories.items()}
    return {"off": off} | made


def training_rows(
    batch: int, applies: dict[str, Apply], repeats: int, platform: str, tick: Tick
) -> list[Row]:
    """One row a dropout, with its tax: what it adds to the step without, round by round."""
    programs = training_step.programs(applies, batch, platform)
    return taxed({"batch": batch}, measure.interleave(programs, repeats, tick))


def large_step_rows(
    name: Step, labels: list[str], rate: float, repeats: int, platform: str, tick: Tick
) -> list[Row]:
    """The same of a step of the size that an accelerator trains."""
    programs = {}
    for label in labels:
        apply, generator = dropout_of(label, rate, large_steps.DTYPE)
        arguments = large_steps.arguments(name, generator)
        programs[label] = compile_program(large_steps.program(name, apply), arguments, platform)
    return taxed({"step": name}, measure.interleave(programs, repeats, tick))


def taxed(what: Row, seconds: dict[str, list[float]]) -> list[Row]:
    """Each beside what it adds to the step without dropout, round by round."""
    over = {name: measure.paired_overhead(own, seconds["off"]) for name, own in seconds.items()}
    return [
        measure.row(
            {**what, "dropout": name}, samples, tax=over[name].median, tax_spread=over[name].spread
        )
        for name, samples in seconds.items()
    ]


def compile_rows(applies: dict[str, Apply], sites: int, repeats: int, tick: Tick) -> list[Row]:
    """One row a dropout: seconds to trace, seconds to lower and compile."""
    seconds = compile_time.interleave(applies, sites, repeats, tick)
    totals = {name: [sum(round) for round in rounds] for name, rounds in seconds.items()}
    return [
        measure.row(
            {
                "dropout": name,
                "sites": sites,
                "trace": float(np.median([round.trace for round in rounds])),
                "compile": float(np.median([round.compile for round in rounds])),
            },
            totals[name],
            times_flax=measure.ratio(totals, name, ["flax-nnx"]),
        )
        for name, rounds in seconds.items()
    ]


def import_rows(repeats: int, tick: Tick) -> list[Row]:
    """One row a module; all but jax come on top of it."""
    seconds = import_time.interleave(MODULES, repeats, tick)
    return [measure.row({"module": module}, samples) for module, samples in seconds.items()]
