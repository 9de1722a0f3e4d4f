"""The command line: it parses, calls, and turns what went wrong into a message and a status."""

import sys
from collections.abc import Sequence

import tyro

from experiments.bench.command import bench
from experiments.bench.options import Bench, Output
from experiments.compare import compare
from experiments.config import Compare, Folder
from experiments.errors import InputError
from experiments.studies import command

app = tyro.extras.SubcommandApp()


@app.command(name="compare")
def _compare(config: Compare, folder: Folder) -> None:
    """Where should dropout stand? Trains one network for every placement, rate and seed.

    All of them train in one compiled program, and share initial weights, batches and masks seed by
    seed. Prints a table with intervals, and writes results, figures and a manifest to a folder.
    """
    compare(config, folder)


@app.command(name="bench")
def _bench(config: Bench, folder: Output) -> None:
    """What does dropout cost? Times jaxdrop against other libraries and against a plain copy.

    Candidates are timed in turn in one process. Prints medians, spreads and ratios; the run folder
    also holds every sample, the tables as Markdown and a picture. Takes minutes: see --smoke.
    """
    bench(config, folder)


@app.command(name="list")
def _list() -> None:
    """Which studies are there, and what does each claim?"""
    command.list_studies()


@app.command(name="run")
def _run(study: str) -> None:
    """Runs a study, or all of them, and says whether its claim holds: run STUDY --help."""
    raise AssertionError(f"main hands {study} on")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the status is 0 done, 1 the answer is no, 2 bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["run"]:
            return command.run(words[1:])
        app.cli(prog="python -m experiments", args=words, config=(tyro.conf.OmitArgPrefixes,))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
