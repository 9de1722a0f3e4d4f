"""An unfinished run is brought to its end, as if nothing had happened."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.errors import expect
from experiments.report.verdict import Verdict
from experiments.runs import execute as training
from experiments.runs import folder as runs
from experiments.runs import manifest, parse
from experiments.runs.collect import concluded
from experiments.runs.environment import environment
from experiments.runs.folder import locked
from experiments.runs.manifest import Head
from experiments.runs.work import Prepare, Work
from experiments.training import devices
from experiments.training.devices import Cluster, lead


def resume(run: Path, every: float, cluster: Cluster, prepare: Prepare) -> int:
    """Goes on where the last checkpoint is; the results are those of a run never interrupted.

    So is the status.
    """
    cluster.join()
    expect(run.is_dir(), f"the folder of a run, {run}", "none")
    with locked(run):
        finished = devices.most(int((run / runs.MANIFEST).exists()))
        verdict = _finished(run) if finished else _go_on(run, every, prepare)
    if verdict is None:
        return 0
    lead(lambda: print(f"verdict: {verdict.value}"))
    return verdict.status


def _finished(run: Path) -> Verdict | None:
    """What it came to; what is left of its progress, if it was killed then, goes."""
    verdict = verdict_of(run)
    lead(lambda: runs.discard_progress(run))
    lead(lambda: print(f"Nothing to do: the run in {run} is finished."))
    return verdict


def verdict_of(run: Path) -> Verdict | None:
    """That of a finished run, if it ends in one."""
    conclusion, known = concluded(run), manifest.read(run)
    if known.command == "compare":
        return None
    words = [verdict.value for verdict in Verdict]
    expect(conclusion.verdict in words, f"a verdict in {run}", repr(conclusion.verdict))
    return Verdict(conclusion.verdict)


def _go_on(run: Path, every: float, prepare: Prepare) -> Verdict | None:
    path = run / runs.UNFINISHED
    fix = "Begin one with compare, or with run STUDY."
    expect(path.exists(), f"an unfinished run in {run}", "none", fix)
    return training.go_on(_work(parse.read(Head, path), run, prepare), run, every)


def _work(head: Head, run: Path, prepare: Prepare) -> Work[Any]:
    """The same as it was, or the results would not be those of one run."""
    fix = f"Go on where it began, or begin anew: {head.command}, with --output {run} --overwrite."
    here = environment()
    changed = "; ".join(head.environment.differences(here))
    expect(not changed, "the environment that the run began in", f"another: {changed}", fix)
    work, began = prepare(head), head.environment.commit
    changed = manifest.first_input_that_differs(head, work.head)
    changed = changed or manifest.first_layout_that_differs(head, work.head)
    expect(not changed, "what the run began with", f"other: {changed}", fix)
    if began != here.commit:
        devices.warn("the code is of another commit than when the run began.")
        here = replace(here, commit=f"{began}, then {here.commit}")
    return replace(work, head=replace(work.head, environment=here))
