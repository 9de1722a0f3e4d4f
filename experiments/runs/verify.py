"""Is a run reproduced? Trains it again, and names the first thing that comes out otherwise."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.errors import expect
from experiments.runs import manifest, tolerance
from experiments.runs.environment import environment
from experiments.runs.execute import Runnable, T
from experiments.runs.folder import MANIFEST, UNFINISHED, check_run, holds, how_to_resume
from experiments.runs.manifest import Manifest, Outcome
from experiments.runs.resume import Prepare
from experiments.training.devices import Cluster, say
from experiments.training.sweep import Checkpoints

IDENTICAL, DIFFERENT, ELSEWHERE = 0, 1, 3
Contents = Mapping[str, bytes]
Outcomes = Mapping[str, Outcome]


def verify(run: Path, cluster: Cluster, prepare: Prepare) -> int:
    """Prints the answer; 0 identical, 1 different, 3 as alike as another environment lets it be."""
    cluster.join()
    begun = holds(run, UNFINISHED) and not holds(run, MANIFEST)
    fix = f"Bring it to its end first: {how_to_resume(run)}."
    expect(not begun, f"a finished run in {run}", "an unfinished one", fix)
    check_run(run, MANIFEST, "a finished")
    known = manifest.read(run)
    if changed := manifest.first_file_that_differs(run, known.sha256):
        return _different(f"{changed} (its digest is not the manifest's)")
    elsewhere = known.environment.differences(environment())
    if elsewhere:
        say(f"Another environment: {'; '.join(elsewhere)}.")
    if changed := manifest.first_code_that_differs(known):
        return _different(changed)
    runnable = prepare(known.command, known.layouts)
    if changed := manifest.first_input_that_differs(known, runnable.head, not elsewhere):
        return _different(changed)
    _check(known, runnable)
    stored = {name: (run / name).read_bytes() for name in known.sha256}
    return _judge(known, stored, runnable, runnable.train(Checkpoints()), elsewhere != [])


def _check(known: Manifest, runnable: Runnable[Any]) -> None:
    """Refuses a manifest without what is compared."""
    for name in runnable.compared:
        expect(name in known.sha256, f"{name} under sha256 in {MANIFEST}", "none")
    cases, found = [*runnable.head.layouts], [*known.outcomes]
    whole = len(found) in runnable.ends and found == cases[: len(found)]
    expect(whole, f"outcomes of the cases {cases} in {MANIFEST}, up to a look", found)


def _judge(
    known: Manifest, stored: Contents, runnable: Runnable[T], results: T, elsewhere: bool
) -> int:
    report, outcomes = runnable.report(results), runnable.outcomes(results)
    if known.outcomes.keys() != outcomes.keys():
        return _different("after how many seeds it was decided")
    now = report.files()
    row = _first_row(stored, now, runnable.compared)
    difference = _first_divergence(known.outcomes, outcomes, row)
    if not elsewhere:
        now |= report.figures()
        difference = difference or _first_file(stored, now, {**now, **stored})
        if difference:
            return _different(difference)
        say("Identical, bit for bit.")
        return IDENTICAL
    difference = difference or _first_file(stored, now, now)
    say(f"Bit for bit: {f'differs from {difference} on' if difference else 'the same'}.")
    if stored.get("config.json") != now["config.json"]:
        return _different("config.json (which is the same in every environment)")
    return _within_tolerance(stored, now, runnable)


def _first_divergence(before: Outcomes, now: Outcomes, row: str) -> str:
    """Of the networks; nothing if all are the same."""
    for title, outcome in now.items():
        if before[title].fresh != outcome.fresh:
            return f"the initial parameters of {title}"
    for title, outcome in now.items():
        if before[title].trained != outcome.trained:
            return row or f"the trained parameters of {title}"
    return ""


def _first_row(stored: Contents, now: Contents, compared: Mapping[str, int]) -> str:
    """The history, which has epochs, comes before the results."""
    for name, keys in sorted(compared.items()):
        if row := tolerance.first_row(stored[name], now[name], keys):
            return f"{row} (in {name})"
    return ""


def _first_file(stored: Contents, now: Contents, names: Iterable[str]) -> str:
    for name in names:
        if stored.get(name) != now.get(name):
            another = "these networks give another" if name in now else "no such run has one"
            return f"{name} (its digest is right, but {another})"
    return ""


def _different(what: str) -> int:
    say(f"Different. The first thing that differs: {what}.")
    return DIFFERENT


def _within_tolerance(stored: Contents, now: Contents, runnable: Runnable[Any]) -> int:
    """Keys, data, batches and masks were the same; the metrics may round otherwise."""
    say("Keys, data, batches and masks are the same.")
    for name, keys in runnable.compared.items():
        distance = tolerance.distance(stored[name], now[name], keys, runnable.point)
        say(f"{name}: {distance.in_words}.")
        if distance.beyond:
            stated = f"the row {distance.beyond} of {name}, by more than tolerated"
            return _different(f"{stated}: {tolerance.STATED}")
    compared = " and ".join(runnable.compared)
    say(f"As far as {compared} tell in another environment, the same ({tolerance.STATED}).")
    return ELSEWHERE
