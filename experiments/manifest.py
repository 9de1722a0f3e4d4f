"""What a run depends on and what came out, in one file: `manifest.json`.

It is all that another run needs to say whether it is the same, and where it first is not.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments import parse, runs
from experiments.environment import Environment, environment
from experiments.errors import InputError, expect
from experiments.fingerprints import digest
from experiments.layout import Layout
from experiments.sweep import History


@dataclass(frozen=True)
class Inputs:
    """Digests of what a run starts from; see `probes` for the last three."""

    data: str
    keys: str
    batches: str
    masks: str


@dataclass(frozen=True)
class Outcome:
    """Digests of all networks: fresh, and with their metrics at the end of every block."""

    parameters: str
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """What is known of a run before it trains."""

    command: str
    seed: int
    prng: str
    config: dict[str, Any]
    layout: Layout
    environment: Environment
    inputs: Inputs


@dataclass(frozen=True)
class Manifest(Head):
    """What is known of a run after it."""

    outcome: Outcome
    sha256: dict[str, str]
    """Of each file of the run, by its name."""


def outcome(history: History) -> Outcome:
    """The digests of a history."""
    ends = (digest(np.stack(block.metrics), block.states) for block in history.blocks)
    return Outcome(digest(history.fresh), tuple(ends))


def sha256(files: Mapping[str, bytes]) -> dict[str, str]:
    """The digest of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def complete(head: Head, history: History, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of a run that is done, as it is written."""
    return as_dict(head) | {
        "outcome": dataclasses.asdict(outcome(history)),
        "sha256": sha256(files),
    }


def of_files(
    command: str, seed: int, data: Iterable[Any], files: Mapping[str, bytes]
) -> dict[str, Any]:
    """The manifest of a run that is done in one go."""
    return {
        "command": command,
        "seed": seed,
        "prng": "threefry2x32",
        "environment": dataclasses.asdict(environment()),
        "inputs": {"data": digest(*map(np.asarray, data))},
        "sha256": sha256(files),
    }


def as_dict(head: Head) -> dict[str, Any]:
    """As it is written: plain dictionaries."""
    return dataclasses.asdict(head)


def command(run: Path) -> str:
    """Of what command it is, as it says itself."""
    content = parse.load(run / runs.MANIFEST)
    named = content.get("command") if isinstance(content, dict) else None
    return named if isinstance(named, str) else repr(named)


def read(run: Path, wanted: str) -> Manifest:
    """The manifest in a run folder, checked."""
    named, content = command(run), parse.load(run / runs.MANIFEST)
    expect(named == wanted, f"the manifest of a {wanted} in {run}", f"of {named!r}")
    manifest = parse.parse(Manifest, content, runs.MANIFEST)
    check_names(run, manifest.sha256)
    return manifest


def check_names(run: Path, names: Mapping[str, str]) -> None:
    """Refuses the name of a file that is not in the folder itself."""
    for name in names:
        plain = name not in ("", ".", "..") and not set(name) & set("/\\\0")
        expect(plain, f"names of files in {run} under sha256 in {runs.MANIFEST}", repr(name))
        expect(
            not (run / name).is_symlink(), f"{name} in {run} to be a file", "a link to elsewhere"
        )


def first_file_that_differs(run: Path, sha256: Mapping[str, str]) -> str | None:
    """The name of a file that is missing or has another digest; the results come first."""
    for name in sorted(sha256, key=lambda name: (not name.endswith(".csv"), name)):
        try:
            same = hashlib.sha256((run / name).read_bytes()).hexdigest() == sha256[name]
        except FileNotFoundError:
            same = False
        except OSError as error:
            raise InputError(f"Expected to read {run / name}; got: {error.strerror}.") from None
        if not same:
            return name
    return None
