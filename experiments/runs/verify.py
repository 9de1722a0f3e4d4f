"""Is a run reproduced? Trains it again, and names the first thing that comes out otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.errors import expect
from experiments.runs import manifest, tolerance
from experiments.runs.environment import environment
from experiments.runs.keeping import Keeping
from experiments.runs.manifest import Manifest
from experiments.runs.work import Prepare, T, Work
from experiments.training import devices
from experiments.training.devices import Cluster

IDENTICAL, DIFFERENT, ELSEWHERE = 0, 1, 3


def verify(run: Path, cluster: Cluster, prepare: Prepare) -> int:
    """Prints the answer; 0 identical, 1 different, 3 as alike as another environment lets it be."""
    cluster.join()
    known = manifest.read(run)
    changed = manifest.first_file_that_differs(run, known.sha256)
    if changed:
        return _different(f"{changed} (its digest is not the manifest's)")
    elsewhere = known.environment.differences(environment())
    if elsewhere:
        _say(f"Another environment: {'; '.join(elsewhere)}.")
    work = prepare(known.command, known.layouts)
    _check(known, work)
    changed = manifest.first_input_that_differs(known, work.head)
    if changed:
        return _different(changed)
    if not elsewhere and (changed := manifest.first_layout_that_differs(known, work.head)):
        return _different(changed)
    return _judge(run, known, work, work.train(Keeping()), elsewhere != [])


def _check(known: Manifest, work: Work[Any]) -> None:
    """Refuses a manifest without what is compared."""
    for name in work.compared:
        expect(name in known.sha256, f"{name} under sha256 in manifest.json", "none")
    cases = [*known.outcomes]
    expect(cases == [*work.ends], f"outcomes of the cases {[*work.ends]} in manifest.json", cases)
    for title, ends in work.ends.items():
        blocks, found = len(ends), len(known.outcomes[title].blocks)
        expect(found == blocks, f"digests of {blocks} blocks of {title} in manifest.json", found)


def _judge(run: Path, known: Manifest, work: Work[T], found: T, elsewhere: bool) -> int:
    difference = _first_divergence(known, work, found)
    again, stored = work.tables(found), {name: (run / name).read_bytes() for name in known.sha256}
    if not elsewhere:
        again |= work.figures(found)
        difference = difference or _first_file_that_differs(stored, again)
        return _different(difference) if difference else _identical()
    difference = difference or _first_table_that_differs(stored, again)
    _say(f"Bit for bit: {f'differs from {difference} on' if difference else 'the same'}.")
    if stored.get("config.json") != again["config.json"]:
        return _different("config.json (which is the same in every environment)")
    return _within_tolerance(stored, again, work)


def _first_divergence(known: Manifest, work: Work[T], found: T) -> str:
    """In what was trained: of which case, and when; nothing if all is the same."""
    for title, now in work.outcomes(found).items():
        before, ends = known.outcomes[title], work.ends[title]
        if before.parameters != now.parameters:
            return f"the initial parameters of {title}"
        for number, (first, stop) in enumerate(zip([0, *ends], ends, strict=False)):
            if before.blocks[number] != now.blocks[number]:
                where = f"block {number + 1} of {len(ends)} (epochs {first + 1} to {stop})"
                return f"{where} of {title}"
    return ""


def _first_file_that_differs(stored: Mapping[str, bytes], again: Mapping[str, bytes]) -> str:
    """The same, and whether there are files that no such run writes."""
    others = stored.keys() - again.keys()
    more = f"{min(others)} (such a run writes none of that name)" if others else ""
    return _first_table_that_differs(stored, again) or more


def _first_table_that_differs(stored: Mapping[str, bytes], again: Mapping[str, bytes]) -> str:
    for name, content in again.items():
        if stored.get(name) != content:
            return f"{name} (its digest is right, but these networks give another)"
    return ""


def _identical() -> int:
    _say("Identical, bit for bit.")
    return IDENTICAL


def _different(what: Any) -> int:
    _say(f"Different. The first thing that differs: {what}.")
    return DIFFERENT


def _within_tolerance(
    stored: Mapping[str, bytes], again: Mapping[str, bytes], work: Work[Any]
) -> int:
    """Keys, data, batches and masks were the same; the metrics may round otherwise."""
    _say("Keys, data, batches and masks are the same.")
    for name, keys in work.compared.items():
        distance = tolerance.distance(stored[name], again[name], keys, work.point)
        _say(f"{name}: {distance.in_words}.")
        if distance.beyond:
            stated = f"the row {distance.beyond} of {name}, by more than tolerated"
            return _different(f"{stated}: {tolerance.STATED}")
    compared = " and ".join(work.compared)
    _say(f"As far as {compared} tell in another environment, the same ({tolerance.STATED}).")
    return ELSEWHERE


def _say(line: str) -> None:
    if devices.leads():
        print(line)
