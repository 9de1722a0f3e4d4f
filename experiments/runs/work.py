"""What a command asks of training, and what it makes of it: the part that all commands share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from experiments.report.files import Files
from experiments.report.verdict import Verdict
from experiments.runs.keeping import Keeping
from experiments.runs.manifest import Head, Outcome
from experiments.training.chunks import Layout

T = TypeVar("T")


@dataclass(frozen=True)
class Work(Generic[T]):
    """Ready to be trained, resumed or verified."""

    head: Head
    train: Callable[[Keeping], T]
    """Trains what is not kept from before."""
    tables: Callable[[T], Files]
    """Files that are the same, byte for byte, whenever the training is."""
    compared: Mapping[str, int]
    """Which tables another environment may round otherwise, and how many columns name a row."""
    figures: Callable[[T], Files]
    show: Callable[[T], None]
    """Prints the results."""
    verdict: Callable[[T], Verdict | None] = lambda _: None
    """On the claim, if there is one."""
    point: float = 1.0
    """A percentage point in the unit of the tables' accuracies."""
    outcomes: Callable[[T], dict[str, Outcome]] = lambda _: {}
    ends: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """After which epochs the blocks of each case end that has outcomes."""


Prepare = Callable[[Sequence[str], Mapping[str, Layout]], Work[Any]]
"""From the words of a command to its work, cut up as it was; the command line hands it on."""
