"""What the study of the UCI sets is asked to do; what Gal & Ghahramani 2016 did, and found.

The tolerances say how near a repetition has to come. They are three times the larger of the paired
standard error over splits and the standard deviation over seeds, both from repetitions of the
original protocol; they hold for that one alone.
"""

import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import tyro

from experiments.errors import expect
from experiments.runs.folder import plain
from experiments.studies.settings import Common, expect_least, flag
from experiments.words import Unset

Arm = Literal["off", "searched", "concrete"]
Name = Literal["original", "10x", "2layers"]


class Protocol(NamedTuple):
    """How long the network trains, how deep it is, and what its published files begin with."""

    epochs: int
    batch_size: int
    hidden: tuple[int, ...]
    published: str


class Hyperparameters(NamedTuple):
    """Rate to drop, precision of the noise in the target's unit, weight of the regulariser.

    Each is one number, or one for each split.
    """

    rate: Any
    precision: Any
    weight_reg: Any


class Tolerance(NamedTuple):
    """How far the mean of the paired differences may be from 0."""

    rmse: float
    log_likelihood: float


PROTOCOLS: dict[Name, Protocol] = {
    "original": Protocol(400, 32, (50,), "results"),
    "10x": Protocol(4_000, 128, (50,), "results_10x_epochs"),
    "2layers": Protocol(20_000, 128, (50, 50), "results_2_layers"),
}

HYPERPARAMETERS = {
    "yacht": Hyperparameters(0.01, 0.541869562034, 1e-2),
    "concrete": Hyperparameters(0.01, 0.0557319157756, 1e-4),
    "energy": Hyperparameters(0.05, 0.427114830213, 1e-4),
    "wine-quality-red": Hyperparameters(0.05, 2.95833720839, 1e-4),
    "power-plant": Hyperparameters(0.005, 0.0871109017617, 1e-4),
}

TOLERANCES = {
    "yacht": Tolerance(0.18, 0.07),
    "concrete": Tolerance(0.16, 0.03),
    "energy": Tolerance(0.09, 0.04),
    "wine-quality-red": Tolerance(0.010, 0.015),
}

SMALL = tuple(TOLERANCES)
ALL = tuple(HYPERPARAMETERS)
DATA_DIR = Path("data", "uci")
UNPUBLISHED = Hyperparameters(math.nan, math.nan, 1e-4)  # before the search


@dataclass(frozen=True)
class Uci(Common):
    """Gal & Ghahramani 2016's regression table, on the published splits."""

    data_dir: Path = DATA_DIR
    """Folder that holds a folder for each set."""
    sets: tuple[str, ...] = SMALL
    """Which sets; `all` adds power-plant to the four small ones."""
    protocol: Name = "original"
    """original: 400 epochs; 10x: 4,000; 2layers: 20,000 and a second hidden layer."""
    rate: Unset[float] = None
    """Probability to drop, instead of the published one."""
    precision: Unset[float] = None
    """Inverse variance of the noise in the target's unit, instead of the published one."""
    weight_reg: Unset[float] = None
    """Weight of the regulariser, instead of the published one."""
    search: bool = False
    """Search rate and precision inside each training split, instead of taking published ones."""
    seeds: int = 1
    """Trainings of each split."""
    samples: int = 10_000
    """Monte-Carlo samples."""
    epochs: Unset[int] = None
    """Passes over the training data, instead of the protocol's."""
    arms: tuple[Arm, ...] = ()
    """What is run beside it, without a part in the verdict: dropout off; rate and precision
    searched inside each training split; rates that are learned (concrete dropout). Each takes
    minutes more."""
    smoke: bool = False
    """The smallest set alone, with 1,000 samples: some seconds, and a verdict nevertheless."""
    strict: tyro.conf.Suppress[bool] = False
    """It is a check, whose status says what came out in any case."""

    smallest: ClassVar = {"sets": SMALL[:1], "samples": 1_000}

    def __post_init__(self) -> None:
        """Checks the numbers; the data are checked on loading."""
        for name, most in (("seeds", 1000), ("epochs", 10**9)):
            value = getattr(self, name)
            expect(value is None or 1 <= value <= most, f"{flag(name)} of 1 to {most:,}", value)
        super().__post_init__()
        expect_least(self, 2, "samples")
        expect(len(self.sets) > 0, "a set in --sets", "nothing")
        for name in self.sets:
            expect(plain(name), "names of folders in --data-dir as --sets", repr(name))
        fix = "A rate is the probability to drop; 0 turns dropout off."
        expect(self.rate is None or 0 <= self.rate < 1, "a --rate in [0, 1)", self.rate, fix)
        for name in ("precision", "weight_reg"):
            value = getattr(self, name)
            expect(value is None or 0 < value < math.inf, f"a {flag(name)} above 0", value)
        free = self.rate is None and self.precision is None
        fix = "The search finds both: leave them out."
        expect(free or not self.search, "--search without --rate and --precision", "both ways", fix)

    @property
    def length(self) -> int:
        """How many epochs."""
        return self.epochs or PROTOCOLS[self.protocol].epochs

    @property
    def names(self) -> tuple[str, ...]:
        """The sets, spelled out."""
        spelled = (ALL if name == "all" else (name,) for name in self.used.sets)
        return tuple(dict.fromkeys(chain.from_iterable(spelled)))

    def hyperparameters(self, name: str) -> Hyperparameters:
        """The published ones, and what was passed instead."""
        passed = {field: getattr(self, field) for field in Hyperparameters._fields}
        given = {field: value for field, value in passed.items() if value is not None}
        all_given = self.search or len(given) == len(passed)
        fix = "Nothing is published for it: pass --rate, --precision and --weight-reg, or --search."
        expect(name in HYPERPARAMETERS or all_given, f"a set among {', '.join(ALL)}", name, fix)
        return HYPERPARAMETERS.get(name, UNPUBLISHED)._replace(**given)
