"""An unfinished run is brought to its end, as if nothing had happened."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.errors import expect
from experiments.report.verdict import Verdict
from experiments.runs import manifest
from experiments.runs.environment import environment
from experiments.runs.execute import Runnable, go_on
from experiments.runs.folder import MANIFEST, UNFINISHED, check_run, discard_progress, holds, locked
from experiments.runs.manifest import Head
from experiments.training import devices
from experiments.training.chunks import Layout
from experiments.training.devices import Cluster

Prepare = Callable[[Sequence[str], Mapping[str, Layout]], Runnable[Any]]
"""From the words of a command to what it runs, cut up as it was; the command line hands it on."""


def resume(run: Path, every: float, cluster: Cluster, prepare: Prepare, strict: bool) -> int:
    """Goes on where the last checkpoint is, and has the status that the run would have had."""
    cluster.join()
    verdict = bring_to_end(run, every, prepare)
    if verdict is None:
        return 0
    devices.say(f"verdict: {verdict.value}")
    return verdict.status(strict)


def bring_to_end(run: Path, every: float, prepare: Prepare) -> Verdict | None:
    """The results are those of a run never interrupted."""
    done = holds(run, MANIFEST)
    check_run(run, MANIFEST if done else UNFINISHED, "an unfinished")
    with locked(run):
        if devices.agree(holds(run, MANIFEST)):
            return _finished(run)
        head = manifest.read_json(Head, run / UNFINISHED)
        return go_on(_same(head, run, prepare), run, every)


def _finished(run: Path) -> Verdict | None:
    """What it came to; what is left of its progress, if it was killed then, goes."""
    word = manifest.read(run).verdict
    devices.lead(lambda: discard_progress(run))
    devices.say(f"Nothing to do: the run in {run} is finished.")
    return Verdict(word) if word else None


def _same(head: Head, run: Path, prepare: Prepare) -> Runnable[Any]:
    """The same as it was, or the results would not be those of one run."""
    begin, here = shlex.join(head.command), environment()
    fix = f"Go on where it began, or begin anew: {begin}, with --output {run} --overwrite."
    changed = "; ".join(head.environment.differences(here))
    expect(not changed, "the environment that the run began in", f"another: {changed}", fix)
    changed = manifest.first_code_that_differs(head)
    expect(not changed, "what the run began with", f"other: {changed}", fix)
    runnable = prepare(head.command, head.layouts)
    changed = manifest.first_input_that_differs(head, runnable.head, same_environment=True)
    expect(not changed, "what the run began with", f"other: {changed}", fix)
    if head.environment.commit != here.commit:
        devices.warn("the code is of another commit than when the run began.")
        here = replace(here, commit=f"{head.environment.commit}, then {here.commit}")
    return replace(runnable, head=replace(runnable.head, environment=here))
