"""Is the run of a study reproduced? Trains it again, and names the first row that differs."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from experiments import manifest, parse, runs
from experiments.environment import Environment, environment
from experiments.fingerprints import digest
from experiments.layout import Layout
from experiments.tolerance import ACCURACY, NLL
from experiments.trials import measure, report
from experiments.trials.settings import Settings
from experiments.trials.study import arrays

STATED = f"accuracies within {100 * ACCURACY:g} points, all else within {NLL:g} + {NLL:.0%}"
Rows = dict[tuple[str, ...], dict[str, str]]


def difference(run: Path, study: Any) -> tuple[str, list[str]]:
    """What differs first, nothing if all is the same; and in what the environment is another.

    In another environment metrics may round otherwise, and only what exceeds that differs.
    """
    content = parse.load(run / runs.MANIFEST)
    digests = parse.parse(dict[str, str], content.get("sha256"), "sha256")
    manifest.check_names(run, digests)
    if name := manifest.first_file_that_differs(run, digests):
        return f"{name} (its digest is not the manifest's)", []
    there = parse.parse(Environment, content.get("environment"), "environment")
    inputs = parse.parse(dict[str, str], content.get("inputs"), "inputs")
    layouts = parse.parse(dict[str, Layout], content.get("layouts"), "layouts")
    elsewhere = there.differences(environment())
    settings = _settings(run).used
    design = study.design(settings)
    if inputs.get("data") != digest(*map(np.asarray, arrays(design))):
        return "the data (of another digest than the manifest's)", elsewhere
    found = measure.train("verify", design, measure.tasks(design, settings, layouts))
    again = report.history_csv(design, found), report.results_csv(design, found)
    for name, keys, table in zip(("history.csv", "results.csv"), (4, 3), again, strict=True):
        row = _first((run / name).read_bytes(), table, keys, exactly=not elsewhere)
        if row:
            return f"{row} in {name}", elsewhere
    return "", elsewhere


def _settings(run: Path) -> Settings:
    """Those of the run, wherever it went."""
    stored = parse.load(run / "config.json")
    stored = stored | {"output": None} if isinstance(stored, dict) else stored
    return parse.parse(Settings, stored, "config.json")


def _first(stored: bytes, again: bytes, keys: int, exactly: bool) -> str:
    """The first row that differs; its first columns say which network it is."""
    if stored == again:
        return ""
    before, now = _rows(stored, keys), _rows(again, keys)
    for key in before.keys() | now.keys() if before.keys() != now.keys() else now:
        one, other = before.get(key, {}), now.get(key, {})
        if one != other if exactly else not _alike(one, other):
            return ", ".join(key)
    return ""


def _alike(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether all measures are within their tolerance, and the same ones are there."""
    if one.keys() != other.keys():
        return False
    pairs = np.array([[float(one[name] or 0), float(other[name] or 0)] for name in one])
    allowed = [
        100 * ACCURACY if "accuracy" in name else NLL + NLL * abs(value)
        for name, (_, value) in zip(one, pairs, strict=True)
    ]
    apart = abs(pairs[:, 0] - pairs[:, 1])
    return bool(((apart <= allowed) | np.isnan(pairs).all(1)).all())


def _rows(content: bytes, keys: int) -> Rows:
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    names = list(rows[0]) if rows else []
    return {
        tuple(row[name] for name in names[:keys]): {name: row[name] for name in names[keys:]}
        for row in rows
    }
