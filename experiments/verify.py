"""Is a run reproduced? Trains it again, and names the first thing that comes out otherwise."""

from pathlib import Path
from typing import Any

from experiments import manifest, parse, spread, tolerance, training
from experiments.cluster import Cluster
from experiments.compare import prepare
from experiments.config import Compare
from experiments.environment import environment
from experiments.errors import expect
from experiments.manifest import Manifest
from experiments.studies import DESIGNED
from experiments.sweep import History
from experiments.train import block_ends
from experiments.trials import verify as studies
from experiments.work import Work

IDENTICAL, DIFFERENT, ELSEWHERE = 0, 1, 3
RESULTS = "results.csv"


def verify(run: Path, cluster: Cluster) -> int:
    """Prints the answer; 0 identical, 1 different, 3 as alike as another environment lets it be."""
    cluster.join()
    study = DESIGNED.get(manifest.command(run).removeprefix("run "))
    if study is not None:
        return _of_study(run, study)
    known = manifest.read(run, "compare")
    expect(RESULTS in known.sha256, f"{RESULTS} under sha256 in manifest.json", "none")
    changed = manifest.first_file_that_differs(run, known.sha256)
    if changed:
        return _different(f"{changed} (its digest is not the manifest's)")
    elsewhere = known.environment.differences(environment())
    if elsewhere:
        _say(f"Another environment: {'; '.join(elsewhere)}.")
    work = prepare(parse.parse(Compare, known.config, "config"), known.layout)
    changed = _first_input(known, work)
    if changed:
        return _different(changed)
    return _judge(run, known, work, training.run(work), elsewhere != [])


def _of_study(run: Path, study: Any) -> int:
    """The same for a study."""
    different, elsewhere = studies.difference(run, study)
    if elsewhere:
        _say(f"Another environment: {'; '.join(elsewhere)}.")
    if different:
        return _different(different)
    if not elsewhere:
        return _identical()
    _say(f"As far as can be told in another environment, the same ({studies.STATED}).")
    return ELSEWHERE


def _first_input(known: Manifest, work: Work) -> str | None:
    """The name of what training would start from, if it is not what it was."""
    blocks, found = len(block_ends(work.task.plan.epochs)), len(known.outcome.blocks)
    expect(found == blocks, f"digests of {blocks} blocks in manifest.json", found)
    for name in ("data", "keys", "batches", "masks"):
        if getattr(known.inputs, name) != getattr(work.head.inputs, name):
            return f"the {name} (of another digest than the manifest's)"
    return None


def _judge(run: Path, known: Manifest, work: Work, history: History, elsewhere: bool) -> int:
    tables, stored = work.tables(history), (run / RESULTS).read_bytes()
    difference = _first_divergence(known, history, work)
    if difference is None and tables[RESULTS] != stored:
        difference = f"{RESULTS} (its digest is right, but these networks give other results)"
    if not elsewhere:
        return _different(difference) if difference else _identical()
    _say(f"Bit for bit: {f'differs from {difference} on' if difference else 'the same'}.")
    return _within_tolerance(stored, tables[RESULTS])


def _first_divergence(known: Manifest, history: History, work: Work) -> str | None:
    again = manifest.outcome(history)
    if known.outcome.parameters != again.parameters:
        return "the initial parameters"
    ends = block_ends(work.task.plan.epochs)
    for number, (first, stop) in enumerate(zip([0, *ends], ends, strict=False)):
        if known.outcome.blocks[number] != again.blocks[number]:
            return f"block {number + 1} of {len(ends)} (epochs {first + 1} to {stop})"
    return None


def _identical() -> int:
    _say("Identical, bit for bit.")
    return IDENTICAL


def _different(what: Any) -> int:
    _say(f"Different. The first thing that differs: {what}.")
    return DIFFERENT


def _within_tolerance(stored: bytes, again: bytes) -> int:
    """Keys, data, batches and masks were the same; the metrics may round otherwise."""
    distance = tolerance.distance(stored, again)
    _say(f"Keys, data, batches and masks are the same; {distance.in_words}.")
    if not distance.tolerated:
        return _different(f"the metrics, by more than tolerated: {tolerance.STATED}")
    _say(f"As far as can be told in another environment, the same ({tolerance.STATED}).")
    return ELSEWHERE


def _say(line: str) -> None:
    if spread.leads():
        print(line)
