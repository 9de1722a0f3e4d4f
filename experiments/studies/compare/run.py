"""Where should dropout stand? Every placement, rate and seed in one compiled program."""

import sys
from functools import partial
from pathlib import Path

from experiments.runs.execute import Runnable, execute
from experiments.runs.folder import check_folder
from experiments.studies import study
from experiments.studies.compare import source
from experiments.studies.compare.design import CASE, design, of_source
from experiments.studies.compare.report import report
from experiments.studies.compare.settings import Compare, Folder
from experiments.studies.results import Cut
from experiments.studies.run import runnable
from experiments.studies.settings import command_line
from experiments.training.devices import Cluster, lead, say
from experiments.training.sweep import Histories

TAKES = "about a minute on two cores"


def compare_into(config: Compare, folder: Folder, cluster: Cluster) -> None:
    """Trains, prints the table, writes the run folder."""
    cluster.join()
    network = config.own.model or config.network.activation
    name = f"compare-{Path(config.data.dataset).stem}-{network.rpartition(':')[2]}"
    path = folder.output or study.folder(Path("runs"), name, config.smoke)
    lead(lambda: check_folder(path, folder.overwrite))
    prepared = prepare(config, folder.chunk)
    say(study.notice("compare", TAKES, config.smoke), sys.stderr)
    execute(prepared, path, folder.overwrite, folder.checkpoint_every)


def prepare(config: Compare, cut: Cut = None) -> Runnable[Histories]:
    """A study like any other, but for what it says."""
    study.hurry(config.smoke)
    config, used = config.anywhere, config.used
    of_file = source.read(config.own.model) if config.own.model else None
    case = of_source(used, of_file) if of_file else None
    grid, words = design(used, case), command_line("compare", config)
    reported, ends = partial(report, config, grid.cases[CASE]), [used.arms.seeds]
    files = of_file.files if of_file else {}
    asked = words, config, used.protocol, ends, grid, cut, reported
    return runnable(*asked, point=0.01, files=files)
