"""An unfinished run is brought to its end, as if nothing had happened."""

from pathlib import Path
from typing import Any

from experiments import parse, runs, spread, training
from experiments.cluster import Cluster, lead
from experiments.environment import environment
from experiments.errors import expect
from experiments.manifest import Head, first_input_that_differs
from experiments.prepared import prepared
from experiments.work import Work


def resume(run: Path, every: float, cluster: Cluster) -> int:
    """Goes on where the last checkpoint is; the results are those of a run never interrupted."""
    cluster.join()
    expect(run.is_dir(), f"the folder of a run, {run}", "none")
    with runs.lock(run):
        finished = spread.most(int((run / runs.MANIFEST).exists()))
        if finished:
            lead(lambda: _clear(run))
            return 0
        path = run / runs.UNFINISHED
        fix = "Begin one with compare, or with run STUDY."
        expect(path.exists(), f"an unfinished run in {run}", "none", fix)
        verdict = training.go_on(_work(parse.read(Head, path), run), run, every)
    if verdict is None:
        return 0
    lead(lambda: print(f"verdict: {verdict.value}"))
    return verdict.status


def _clear(run: Path) -> None:
    runs.discard_progress(run)  # in case that it was killed while it did that
    print(f"Nothing to do: the run in {run} is finished.")


def _work(head: Head, run: Path) -> Work[Any]:
    """The same as it was, or the results would not be those of one run."""
    fix = f"Go on where it began, or begin anew: {head.command} --output {run} --overwrite."
    here = environment()
    changed = "; ".join(head.environment.differences(here))
    expect(not changed, "the environment that the run began in", f"another: {changed}", fix)
    if head.environment.commit != here.commit:
        spread.warn("the code is of another commit than when the run began.")
    work = prepared(head)
    changed = first_input_that_differs(head, work.head)
    expect(not changed, "what the run began with", f"other: {changed}", fix)
    return work
