"""An unfinished run is brought to its end, as if nothing had happened."""

import sys
from pathlib import Path

from experiments import parse, runs, spread, training
from experiments.cluster import Cluster, lead
from experiments.compare import prepare
from experiments.config import Compare
from experiments.environment import environment
from experiments.errors import expect
from experiments.manifest import Head
from experiments.work import Work


def resume(run: Path, every: float, cluster: Cluster) -> None:
    """Goes on where the last checkpoint is; the results are those of a run never interrupted."""
    cluster.join()
    expect(run.is_dir(), f"the folder of a run, {run}", "none")
    with runs.lock(run):
        finished = spread.most(int((run / runs.MANIFEST).exists()))
        if finished:
            lead(lambda: _clear(run))
            return
        path = run / runs.UNFINISHED
        expect(path.exists(), f"an unfinished run in {run}", "none", "Begin one with compare.")
        training.go_on(_work(parse.read(Head, path), run), run, every)


def _clear(run: Path) -> None:
    runs.discard_progress(run)  # in case that it was killed while it did that
    print(f"Nothing to do: the run in {run} is finished.")


def _work(head: Head, run: Path) -> Work:
    """The same as it was, or the results would not be those of one run."""
    fix = f"Go on where it began, or begin anew: compare --output {run} --overwrite."
    expect(head.command == "compare", f"a compare in {run}", head.command)
    here = environment()
    changed = "; ".join(head.environment.differences(here))
    expect(not changed, "the environment that the run began in", f"another: {changed}", fix)
    if head.environment.commit != here.commit:
        print("warning: the code is of another commit than when the run began.", file=sys.stderr)
    work = prepare(parse.parse(Compare, head.config, "config"), head.layout)
    for name in ("data", "keys", "batches", "masks"):
        same = getattr(work.head.inputs, name) == getattr(head.inputs, name)
        expect(same, f"the {name} that the run began with", "others", fix)
    return work
