"""The command line: it parses, calls, and turns what went wrong into a message and a status."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import jax
import tyro

from experiments.bench.command import bench
from experiments.errors import InputError
from experiments.runs.checkpoint import CHECKPOINT_EVERY, check_seconds
from experiments.runs.collect import collect
from experiments.runs.execute import Runnable
from experiments.runs.resume import resume
from experiments.runs.verify import verify
from experiments.studies.command import Asked, list_studies, parse, run
from experiments.studies.compare.run import compare_into, prepare
from experiments.studies.compare.settings import Compare, Folder
from experiments.studies.parser import OPTIONS, call
from experiments.studies.run import Layouts
from experiments.training.devices import Cluster, leave
from experiments.words import Unnamed


def _compare(config: Unnamed[Compare], folder: Folder, cluster: Cluster) -> None:
    """Where should dropout stand? Trains one network for every placement, rate and seed.

    All of them train in one compiled program, and share initial weights, batches and masks seed by
    seed. Prints a table with intervals, and writes results, figures and a manifest to a folder.
    Takes about a minute on two cores.
    """
    compare_into(config, folder, cluster)


def _list() -> None:
    """Which studies are there, and what does each claim?"""
    list_studies()


def _run_study(study: str) -> None:
    """Runs a study, or all of them, and says whether its claim holds: run STUDY --help."""
    raise AssertionError(f"_run hands {study} on")


def _resume(
    run: tyro.conf.Positional[Path],
    cluster: Cluster,
    checkpoint_every: float = CHECKPOINT_EVERY,
    strict: bool = False,
) -> int:
    """Brings an interrupted run to its end, with the results it would have had anyway.

    The status is the one that the run would have had.

    Args:
        run: Folder of the run.
        cluster: Several processes.
        checkpoint_every: Seconds between checkpoints; they are written meanwhile.
        strict: Exit with 1 if the claim is refuted, and with 3 if it stays open.
    """
    check_seconds(checkpoint_every)
    return resume(run, checkpoint_every, cluster, _prepare, strict)


def _verify(run: tyro.conf.Positional[Path], cluster: Cluster) -> int:
    """Is a run reproduced? Trains it again and says so, or what differs first.

    The status is 0 where all is identical bit for bit; 3 where the environment is another, and
    data, keys, batches and masks are identical and metrics within a tolerance; 1 where anything
    else differs.

    Args:
        run: Folder of the run.
        cluster: Several processes.
    """
    return verify(run, cluster, _prepare)


COMMANDS = {
    "compare": _compare,
    "bench": bench,
    "list": _list,
    "run": _run_study,
    "report": collect,
    "resume": _resume,
    "verify": _verify,
}


def _prepare(words: Sequence[str], layouts: Layouts) -> Runnable[Any]:
    """What the words of a manifest ask for, cut up as it was."""
    asked = _parsed(*words)
    if isinstance(asked, Compare):
        return prepare(asked, layouts)
    if isinstance(asked, Asked):
        return asked.prepare(layouts)
    got = repr(shlex.join(words)[:80])
    raise InputError(f"Expected a manifest of compare or of a study; got one of {got}.")


def _parsed(command: str = "", *words: str) -> object:
    """Nothing, and no word of the parser's, where the words are no command's."""
    with suppress(SystemExit), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if command == "compare":
            return tyro.cli(Compare, args=words, config=OPTIONS)
        if command == "run":
            return parse(words)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status is its own, or 2 for bad input."""
    try:
        status = _run(arguments)
    except KeyboardInterrupt as error:
        if not jax.distributed.is_initialized():
            raise
        print(error, file=sys.stderr)
        status = 130
    return leave(status) if jax.distributed.is_initialized() else status


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["run"]:
            return run(words[1:])
        prog, listed = "python -m experiments", f"There are {', '.join(COMMANDS)}."
        return call(prog, COMMANDS, words, "a command", listed) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
