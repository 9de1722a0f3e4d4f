"""`python -m experiments bench`: measures, prints, writes."""

import sys

from rich.console import Console

from experiments.bench import record, report
from experiments.bench.options import Bench, Output
from experiments.bench.run import run
from experiments.runs import folder


def bench(options: Bench, output: Output) -> None:
    """Times the candidates, prints the tables, writes the run folder."""
    path = output.folder(options.smoke)
    folder.check_folder(path, output.overwrite)
    results = run(options, Console(file=sys.stderr))
    console = Console(highlight=False)
    for table in report.tables(results["sections"]):
        console.print(report.screen(table))
    console.print(record.caption(results))
    with folder.locked(path):
        folder.check_free(path, output.overwrite)
        record.write(path, results)
    print(f"Written to {path}")
