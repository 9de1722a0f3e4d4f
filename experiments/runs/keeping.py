"""Where training leaves what it has so far: nowhere, or in the folder of an unfinished run."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import jax
import numpy as np

from experiments.errors import expect
from experiments.runs import folder as runs
from experiments.runs import parts
from experiments.runs.checkpoints import Checkpoints, Place
from experiments.runs.interrupts import Interrupted, Interrupts
from experiments.runs.parts import Tree
from experiments.training.sweep import Keeper, Task


class Keeping:
    """Nowhere."""

    def case(self, place: Place, task: Task) -> AbstractContextManager[Keeper]:
        """For a case that is trained block after block."""
        del place, task
        return nullcontext(Keeper())

    def part(self, name: str, make: Callable[[], Tree]) -> Tree:
        """The arrays of a part that is made in one go; not made if they are kept from before."""
        expect(jax.process_count() == 1, f"one process for {name}", jax.process_count())
        return {key: np.asarray(value) for key, value in make().items()}

    def pause(self) -> None:
        """Stops here, if someone interrupted."""


class Progress(Keeping):
    """In a folder; all of it is of the run with this identity."""

    def __init__(self, run: Path, every: float, interrupts: Interrupts, identity: str) -> None:
        """Checkpoints are taken `every` so many seconds."""
        self.run, self.every, self.interrupts, self.identity = run, every, interrupts, identity

    def case(self, place: Place, task: Task) -> AbstractContextManager[Keeper]:
        """Chunks and checkpoints."""
        return Checkpoints(self.run, self.every, self.interrupts, self.identity, place, task)

    def part(self, name: str, make: Callable[[], Tree]) -> Tree:
        """A file; whoever interrupts waits for the end of the part."""
        path, of = self.run / runs.PROGRESS / f"{name}.npz", f"{self.identity} {name}"
        kept = parts.read(path, of)
        if kept is None:
            kept = super().part(name, make)
            try:
                parts.write(path, kept, of)
            except OSError as error:
                raise runs.not_kept(self.run, error) from None
        self.pause()
        return kept

    def pause(self) -> None:
        """Says so."""
        if self.interrupts.asked:
            raise Interrupted("Interrupted; what was done is kept.")
