"""What a run depends on and what came out, in one file: `manifest.json`.

It is all that another run needs to say whether it is the same, and where it first is not.
"""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from experiments.errors import InputError, expect
from experiments.report.files import as_json
from experiments.runs.environment import Environment, environment
from experiments.runs.folder import MANIFEST, holds, plain
from experiments.training.chunks import Layout
from experiments.training.inputs import Inputs
from experiments.training.keys import PRNG

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One architecture on one data set: how it is cut up, and what it starts from."""

    layout: Layout | None
    inputs: Inputs


@dataclass(frozen=True)
class Outcome:
    """Digests of all networks of a case, fresh and trained."""

    fresh: str
    trained: str


@dataclass(frozen=True)
class Head:
    """What is known of a run before it trains."""

    command: list[str]
    """The words after `python -m experiments`."""
    prng: str
    config: dict[str, Any]
    environment: Environment
    cases: dict[str, Case]
    files: dict[str, str] = field(default_factory=dict, kw_only=True)
    """Digests of the code that the command names, by its paths."""

    @classmethod
    def of(
        cls, command: list[str], config: Any, cases: dict[str, Case], files: Mapping[str, str] = {}
    ) -> Self:
        """Of a run that begins here and now."""
        settings = dataclasses.asdict(config)
        return cls(command, PRNG, settings, environment(), cases, files={**files})

    @property
    def layouts(self) -> dict[str, Layout]:
        """How the cases are cut up, those that are."""
        return {title: case.layout for title, case in self.cases.items() if case.layout}


@dataclass(frozen=True)
class Manifest(Head):
    """What is known of a run after it."""

    verdict: str | None
    """On the claim, if there is one."""
    outcomes: dict[str, Outcome]
    """Of each case that is cut up."""
    sha256: dict[str, str]
    """Of each file of the run, by its name."""


def sha256(files: Mapping[str, bytes]) -> dict[str, str]:
    """The digest of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def read(run: Path) -> Manifest:
    """The manifest in a run folder; it names no file outside of that."""
    manifest = read_json(Manifest, run / MANIFEST)
    check_names(run, manifest.sha256)
    return manifest


def read_json(kind: type[T], path: Path) -> T:
    """A dataclass from a file, whose entries are of the types that it names."""
    expect(holds(path.parent, path.name), f"a file {path}", "none")
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError) as error:
        said = f"Expected what a run holds, as JSON, in {path}"
        got = getattr(error, "strerror", None) or error
        fix = "Name the folder of a run of compare, or of a study."
        raise InputError(f"{said}; got: {got}. {fix}") from None


def check_names(run: Path, names: Mapping[str, str]) -> None:
    """Refuses what is not a file in the folder itself."""
    for name in names:
        wanted = f"names of files in {run} under sha256 in {MANIFEST}"
        expect(plain(name), wanted, ascii(name)[:80])
        linked = (run / name).is_symlink()
        expect(not linked, f"{name} in {run} to be a file", "a link to elsewhere")


def first_code_that_differs(head: Head) -> str:
    """A file of code that is not what the run was given; nothing if all are, or none was."""
    for name in head.files:
        fix = "Start from the folder where the run began, with the file in its place."
        expect(os.path.isfile(name), f"the file {name} that the run was given", "none", fix)
    name = first_file_that_differs(Path(), head.files)
    return f"{name} (of another digest than the manifest's)" if name else ""


def first_input_that_differs(one: Head, other: Head, same_environment: bool) -> str:
    """Its name, and of which case it is; nothing if all are the same."""
    for name in ("command", "prng", "config"):
        before, now = (as_json({name: getattr(head, name)}) for head in (one, other))
        if before != now:
            return f"the {name} in {MANIFEST}"
    expect(one.cases.keys() == other.cases.keys(), f"cases {[*other.cases]}", [*one.cases])
    for title, case in other.cases.items():
        before, now = vars(one.cases[title].inputs), vars(case.inputs)
        for name in now:
            if before[name] != now[name]:
                return f"the {name} of {title} (of another digest than the manifest's)"
        if same_environment and one.cases[title].layout != case.layout:
            return f"the layout of {title} in {MANIFEST}"
    return ""


def first_file_that_differs(run: Path, digests: Mapping[str, str]) -> str:
    """The name of a file that is missing or has another digest; the results come first."""
    for name in sorted(digests, key=lambda name: (not name.endswith(".csv"), name)):
        try:
            there = (run / name).is_file()  # and no pipe, which could make wait
            if not there or sha256({name: (run / name).read_bytes()})[name] != digests[name]:
                return name
        except OSError as error:
            raise InputError(f"Expected to read {run / name}; got: {error.strerror}.") from None
    return ""
