"""What a run can be asked for, and the words on a command line that ask for it."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from experiments.errors import expect
from experiments.runs.checkpoint import CHECKPOINT_EVERY, check_seconds
from experiments.studies.design import Protocol

OF_THE_RUN = ("output", "overwrite", "checkpoint_every")
"""Where it goes, and how it is kept, has no part in what comes out."""


@dataclass(frozen=True)
class Common:
    """What every run can be asked for."""

    seeds: int = 8
    """Repetitions. The arms of one seed share initial weights, batches and masks."""
    seed: int = 0
    """Where all randomness comes from."""
    smoke: bool = False
    """The smallest version: seconds, and nothing is concluded."""
    output: Path | None = None
    """Folder of the run; by default runs/STUDY."""
    overwrite: bool = False
    """Replace the run that the folder holds."""

    smallest: ClassVar[Mapping[str, Any]] = {}
    """What `smoke` stands for."""

    def __post_init__(self) -> None:
        """Checks the numbers that all have."""
        expect_least(self, 1, "seeds")
        expect(0 <= self.seed < 2**32, "a --seed from 0 to 2**32 - 1", self.seed)

    @property
    def anywhere(self) -> Self:
        """What has a part in what comes out."""
        own = [field for field in dataclasses.fields(self) if field.name in OF_THE_RUN]
        return replace(self, **{field.name: field.default for field in own})

    @property
    def used(self) -> Self:
        """What is run: the same, or the smallest version."""
        return replace(self, **self.smallest) if self.smoke else self


@dataclass(frozen=True)
class Settings(Common):
    """Trains all arms and seeds of a study, and says whether its claim holds."""

    dataset: str = "digits"
    """digits (shipped with scikit-learn), mnist or fashion_mnist (from OpenML), or the path of an
    .npz file that holds x_train, y_train, x_test and y_test; for recurrent, text: sklearn (the
    descriptions of its data sets) or the path of a .txt file."""
    train_size: int = 500
    """Training examples: a fixed choice."""
    test_size: int = 2000
    """Test examples at most."""
    epochs: int = 40
    """Passes over the training examples."""
    batch_size: int = 50
    """Examples in a step."""
    learning_rate: float = 3e-3
    """Learning rate of the first step; it falls to 0 along a half cosine."""
    chunk: int | None = None
    """Networks trained at once, which bounds the memory; by default chosen by an estimate."""
    checkpoint_every: float = CHECKPOINT_EVERY
    """Seconds between checkpoints, from which `resume` goes on; they are written meanwhile."""

    smallest: ClassVar = {"train_size": 60, "test_size": 90, "epochs": 2, "batch_size": 20,
                          "seeds": 2}  # fmt: skip

    def __post_init__(self) -> None:
        """Checks the numbers; the data set is checked on loading."""
        super().__post_init__()
        expect_least(self, 1, "train_size", "test_size", "epochs", "batch_size", "chunk")
        expect(0 < self.learning_rate < 1e3, "a --learning-rate above 0", self.learning_rate)
        check_seconds(self.checkpoint_every)
        size, fix = self.train_size, "Make it smaller, or raise --train-size."
        most = f"a --batch-size of at most the {size} training examples"
        expect(self.batch_size <= size, most, self.batch_size, fix)

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
    command: str,
    settings: Any,
    defaults: Any = None,
    of_path: Callable[[Path], str] = str,
) -> list[str]:
    """The command, then every setting that is not the default: words that parse back."""
    said, defaults = command.split(), defaults or type(settings)()
    for name in _in_order(settings):
        value, usual = getattr(settings, name), getattr(defaults, name)
        if dataclasses.is_dataclass(value):
            said += command_line("", value, usual, of_path)
        elif value != usual and name not in OF_THE_RUN:
            said += _words(name, value, of_path)
    return said


def in_shell(command: str, settings: Any, defaults: Any = None) -> str:
    """The same for people to type; folders of the user's are left to name."""
    said = command_line(command, settings, defaults, lambda _: "FOLDER")
    return shlex.join(["python", "-m", "experiments", *said])


def _in_order(settings: Any) -> list[str]:
    """What is a study's own comes first."""
    common = [field.name for field in dataclasses.fields(Common)]
    names = [field.name for field in dataclasses.fields(settings)]
    return sorted(names, key=lambda name: name in common)


def _words(name: str, value: Any, of_path: Callable[[Path], str]) -> list[str]:
    if isinstance(value, bool):
        return [flag(name) if value else flag(f"no_{name}")]
    parts = value if isinstance(value, tuple) else (value,)
    return [flag(name), *(of_path(p) if isinstance(p, Path) else str(p) for p in parts)]
