"""Where training leaves what it has so far: nowhere, or in the folder of an unfinished run."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import jax

from experiments import parts, runs
from experiments.checkpoints import Checkpoints, Place
from experiments.errors import expect
from experiments.interrupts import Interrupted, Interrupts
from experiments.parts import Tree
from experiments.sweep import Keeper, Task


class Keeping:
    """Nowhere."""

    def case(self, place: Place, task: Task) -> AbstractContextManager[Keeper]:
        """For a case that is trained block after block."""
        del place, task
        return nullcontext(Keeper())

    def part(self, name: str, make: Callable[[], Tree]) -> Tree:
        """The arrays of a part that is made in one go; not made if they are kept from before."""
        expect(jax.process_count() == 1, f"one process for {name}", jax.process_count())
        return make()


class Progress(Keeping):
    """In a folder."""

    def __init__(self, run: Path, every: float, interrupts: Interrupts) -> None:
        """Checkpoints are taken `every` so many seconds."""
        self.run, self.every, self.interrupts = run, every, interrupts

    def case(self, place: Place, task: Task) -> AbstractContextManager[Keeper]:
        """Chunks and checkpoints."""
        return Checkpoints(self.run, self.every, self.interrupts, place, task)

    def part(self, name: str, make: Callable[[], Tree]) -> Tree:
        """A file; whoever interrupts waits for the end of the part."""
        path = self.run / runs.PROGRESS / f"{name}.npz"
        kept = parts.read(path)
        if kept is None:
            kept = super().part(name, make)
            try:
                parts.write(path, kept)
            except OSError as error:
                raise runs.not_kept(self.run, error) from None
        if self.interrupts.asked:
            raise Interrupted(f"Interrupted after {name}.")
        return kept
