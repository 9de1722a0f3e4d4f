"""What the study of uncertainty is asked to do."""

from dataclasses import dataclass
from typing import ClassVar

from experiments.errors import expect
from experiments.studies.settings import Common, expect_least

MOST = 10_000


@dataclass(frozen=True)
class Uncertainty(Common):
    """Calibration and detection on the digits: MC dropout, dropout off, and a deep ensemble."""

    seeds: int = 8
    """Repetitions: each trains its own ensemble, the first member of which is sampled too."""
    members: int = 16
    """Networks in an ensemble."""
    samples: int = 512
    """Masks for each network."""
    rate: float = 0.5
    """Probability to drop, behind each hidden layer."""
    widths: tuple[int, ...] = (128, 128)
    """Units of each hidden layer."""
    epochs: int = 100
    """Passes over the training images."""
    train_size: int = 400
    """Training images, of the known classes."""
    unseen: tuple[int, ...] = (8, 9)
    """Classes that are not trained on."""
    smoke: bool = False
    """Three seeds of small ensembles, hardly trained: some seconds, which decide nothing."""

    smallest: ClassVar = {"seeds": 3, "members": 2, "samples": 8, "epochs": 10}

    def __post_init__(self) -> None:
        """Checks the numbers; the size of the training set is checked with the data."""
        fix = "One seed has no interval, and one member or sample nothing to average."
        expect_least(self, 2, "seeds", "members", "samples", fix=fix)
        super().__post_init__()
        networks, fix = self.seeds * self.members, "Lower --seeds or --members."
        expect(networks <= MOST, f"at most {MOST:,} networks", f"{networks:,}", fix)
        expect(self.samples <= MOST, f"--samples of at most {MOST:,}", f"{self.samples:,}")
        expect(1 <= self.epochs <= 10**8, "--epochs of 1 to 100,000,000", self.epochs)
        expect(self.members <= self.samples, f"--members of at most {self.samples}, the --samples",
               self.members, "Both are compared at equal numbers of passes.")  # fmt: skip
        expect(0 < self.rate < 1, "a --rate in (0, 1)", self.rate, "It is the probability to drop.")
        expect(len(self.widths) > 0 and min(self.widths) >= 1, "--widths of 1 or more", self.widths)
        classes = set(self.unseen)
        some = bool(classes) and classes < set(range(10)) and len(classes) <= 8
        fix = "Two classes or more have to be known. Try --unseen 8 9."
        expect(some, "1 to 8 of the digits 0 to 9 in --unseen", self.unseen, fix)
