"""What every study of this kind can be asked to do."""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.errors import expect
from experiments.runs.checkpoints import CHECKPOINT_EVERY, check_seconds
from experiments.studies.design import Protocol

SMOKE = {"train_size": 60, "test_size": 90, "epochs": 2, "seeds": 2, "batch_size": 20}


@dataclass(frozen=True)
class Settings:
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
    seeds: int = 8
    """Repetitions. The arms of one seed share initial weights, batches and masks."""
    seed: int = 0
    """Where all randomness comes from."""
    smoke: bool = False
    """The smallest version: seconds, and nothing is concluded."""
    chunk: int | None = None
    """Networks trained at once, which bounds the memory; by default chosen by an estimate."""
    output: Path | None = None
    """Folder of the run; by default runs/STUDY."""
    overwrite: bool = False
    """Replace the run that the folder holds."""
    checkpoint_every: float = CHECKPOINT_EVERY
    """Seconds between checkpoints, from which `resume` goes on; they are written meanwhile."""

    def __post_init__(self) -> None:
        """Checks the numbers; the data set is checked on loading."""
        for name in ("train_size", "test_size", "epochs", "batch_size", "seeds"):
            value = getattr(self, name)
            expect(value >= 1, f"--{name.replace('_', '-')} of 1 or more", value)
        expect(0 < self.learning_rate < 1e3, "a --learning-rate above 0", self.learning_rate)
        expect(0 <= self.seed < 2**32, "a --seed from 0 to 2**32 - 1", self.seed)
        expect(self.chunk is None or self.chunk >= 1, "--chunk of 1 or more", self.chunk)
        check_seconds(self.checkpoint_every)
        size, fix = self.train_size, "Make it smaller, or raise --train-size."
        most = f"a --batch-size of at most the {size} training examples"
        expect(self.batch_size <= size, most, self.batch_size, fix)

    @property
    def anywhere(self) -> "Settings":
        """What has a part in what comes out."""
        return replace(self, output=None, overwrite=False, checkpoint_every=CHECKPOINT_EVERY)

    @property
    def used(self) -> "Settings":
        """What is trained: the same, or the smallest version."""
        return replace(self, **SMOKE) if self.smoke else self

    @property
    def protocol(self) -> Protocol:
        """What is common to all that is trained."""
        return Protocol(*(getattr(self.used, name) for name in Protocol._fields))
