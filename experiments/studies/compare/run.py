"""Where should dropout stand? Every placement, rate and seed in one compiled program."""

from functools import partial
from pathlib import Path

from experiments.runs import execute, folder
from experiments.runs.work import Work
from experiments.studies import run
from experiments.studies.compare.design import CASE, design
from experiments.studies.compare.report import report
from experiments.studies.compare.settings import Compare, Folder
from experiments.studies.results import Cut
from experiments.training.devices import Cluster, lead
from experiments.training.sweep import Histories


def compare(config: Compare, where: Folder, cluster: Cluster) -> None:
    """Trains, prints the table, writes the run folder."""
    cluster.join()
    default = f"compare-{Path(config.data.dataset).stem}-{config.network.activation}"
    output = where.output or Path("runs", default)
    lead(lambda: folder.check_folder(output, where.overwrite))
    execute.train(prepare(config, where.chunk), output, where.overwrite, where.checkpoint_every)


def prepare(config: Compare, cut: Cut = None) -> Work[Histories]:
    """A study like any other, but for what it says."""
    grid = design(config)
    reported = partial(report, config, grid.cases[CASE].data)
    return run.work("compare", config, grid, cut, reported, point=0.01)
