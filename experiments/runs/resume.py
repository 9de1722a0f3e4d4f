"""An unfinished run is brought to its end, as if nothing had happened."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.errors import expect
from experiments.report.verdict import Verdict
from experiments.runs import folder as runs
from experiments.runs import manifest
from experiments.runs.environment import environment
from experiments.runs.execute import go_on
from experiments.runs.folder import locked
from experiments.runs.manifest import Head
from experiments.runs.work import Prepare, Work
from experiments.training import devices
from experiments.training.devices import Cluster, lead


def resume(run: Path, every: float, cluster: Cluster, prepare: Prepare) -> int:
    """Goes on where the last checkpoint is, and has the status that the run would have had."""
    cluster.join()
    verdict = bring_to_end(run, every, prepare)
    if verdict is None:
        return 0
    lead(lambda: print(f"verdict: {verdict.value}"))
    return verdict.status


def bring_to_end(run: Path, every: float, prepare: Prepare) -> Verdict | None:
    """The results are those of a run never interrupted."""
    expect(run.is_dir(), f"the folder of a run, {run}", "none")
    with locked(run):
        if devices.most(int((run / runs.MANIFEST).exists())):
            return _finished(run)
        path, fix = run / runs.UNFINISHED, "Begin one with compare, or with run STUDY."
        expect(path.exists(), f"an unfinished run in {run}", "none", fix)
        return go_on(_same(manifest.read_json(Head, path), run, prepare), run, every)


def _finished(run: Path) -> Verdict | None:
    """What it came to; what is left of its progress, if it was killed then, goes."""
    word = manifest.read(run).verdict
    lead(lambda: runs.discard_progress(run))
    lead(lambda: print(f"Nothing to do: the run in {run} is finished."))
    return Verdict(word) if word else None


def _same(head: Head, run: Path, prepare: Prepare) -> Work[Any]:
    """The same as it was, or the results would not be those of one run."""
    begin, here = shlex.join(head.command), environment()
    fix = f"Go on where it began, or begin anew: {begin}, with --output {run} --overwrite."
    changed = "; ".join(head.environment.differences(here))
    expect(not changed, "the environment that the run began in", f"another: {changed}", fix)
    work, began = prepare(head.command, head.layouts), head.environment.commit
    changed = manifest.first_input_that_differs(head, work.head)
    changed = changed or manifest.first_layout_that_differs(head, work.head)
    expect(not changed, "what the run began with", f"other: {changed}", fix)
    if began != here.commit:
        devices.warn("the code is of another commit than when the run began.")
        here = replace(here, commit=f"{began}, then {here.commit}")
    return replace(work, head=replace(work.head, environment=here))
