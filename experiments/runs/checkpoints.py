"""What an unfinished run has so far: chunks that are done, and checkpoints of the one it is in.

Orbax writes checkpoints, each under its name only when it is whole, while training goes on. It
does not notice a byte that has changed since, so beside each lies a digest of what was in it.
"""

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax

from experiments.errors import InputError, expect
from experiments.report.files import as_json
from experiments.runs import folder as runs
from experiments.runs import parts, snapshots
from experiments.runs.folder import lost
from experiments.runs.interrupts import Interrupted, Interrupts
from experiments.runs.snapshots import Tree
from experiments.training import devices
from experiments.training.sweep import History, Keeper, Position, Task, measured
from experiments.training.task import TrainState

CHECKPOINT_EVERY = 60.0
"""Seconds; a checkpoint of the default comparison takes one, on one core, beside the training."""
KEPT = 3
CHUNKS, CHECKPOINTS, DIGESTS = "chunks", "checkpoints", "digests"


def check_seconds(every: float) -> None:
    """0 is as often as possible."""
    expect(0 <= every < math.inf, "a --checkpoint-every of 0 seconds or more", every, "Try 60.")


class Place(NamedTuple):
    """Which of the cases of a run it is, from 0."""

    case: int = 0
    cases: int = 1

    def in_words(self, chunk: int, chunks: int) -> str:
        """A chunk of it."""
        case = f" of case {self.case + 1} of {self.cases}" if self.cases > 1 else ""
        return f"chunk {chunk + 1} of {chunks}{case}"


class Checkpoints(Keeper):
    """The chunks and checkpoints of one case in a run folder."""

    def __init__(
        self,
        run: Path,
        every: float,
        interrupts: Interrupts,
        identity: str,
        place: Place,
        task: Task,
    ) -> None:
        """A checkpoint is taken `every` so many seconds, and when someone interrupts."""
        self.run, self.folder = run, run / runs.PROGRESS / str(place.case)
        self.every, self.epochs, self._place = every, task.plan.epochs, place
        self._of = f"{identity} {place.case}"
        self._rows, self._chunks = (task.layout.chunk, task.layout.group), task.layout.chunks
        self._interrupts, self._last, self._names = interrupts, time.monotonic(), measured(task)

    def finished(self, chunk: int) -> History | None:
        """What came out of a chunk, if it is done."""
        tables = parts.read(self._chunk(chunk), f"{self._of} {chunk}")
        missing = devices.most(int(tables is None))  # to one process is to all
        return None if missing or tables is None else snapshots.history(tables, self._names)

    def finish(self, chunk: int, history: History) -> None:
        """Keeps what came out of a chunk; its checkpoints give way to those of the next."""
        try:
            if devices.leads():
                self._put(chunk, history)
        except InputError as error:
            if chunk + 1 < self._chunks or self._place.case + 1 < self._place.cases:
                raise
            devices.warn(str(error))  # yet all results are there, and can be shown
        if devices.most(int(self._interrupts.asked)):
            raise Interrupted(f"Interrupted after {self._place.in_words(chunk, self._chunks)}.")

    def offer(self, position: Position) -> None:
        """Takes a checkpoint if it is time for one; stops if someone interrupted."""
        late = time.monotonic() - self._last >= self.every
        wanted = devices.most(2 if self._interrupts.asked else int(late))
        if wanted == 1 and jax.process_count() > 1 and devices.most(int(self._saving())):
            return  # to wait here for a process that is dead could take long
        if wanted:
            self._save(position)
            self._last = time.monotonic()
        if wanted == 2:
            where = self._place.in_words(position.chunk, self._chunks)
            raise Interrupted(
                f"Interrupted after epoch {position.epoch} of {self.epochs}, in {where}."
            )

    def restore(self, chunk: int, like: TrainState) -> Position | None:
        """The last checkpoint of a chunk that is what its digest says."""
        if not devices.most(int((self.folder / CHECKPOINTS).is_dir())):
            return None
        for step in sorted(self._manager.all_steps(), reverse=True):
            if step // (self.epochs + 1) == chunk:
                position = self._restored(step, chunk, like)
                if position is not None:
                    return position
        return None

    def __enter__(self) -> "Checkpoints":
        """Nothing is begun before it is needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits until the last checkpoint is written, and ends orbax's threads."""
        together = jax.process_count() == 1 or error is None or isinstance(error, Interrupted)
        if "_manager" not in self.__dict__ or not together:
            return  # nothing to wait for, or a process that may be dead
        with self._writing() if error is None else suppress(Exception):  # the first error counts
            self._manager.wait_until_finished()
        with suppress(Exception):
            self._manager.close()

    def _saving(self) -> bool:
        return "_manager" in self.__dict__ and self._manager.is_saving_in_progress()

    def _put(self, chunk: int, history: History) -> None:
        with self._writing():
            tables = snapshots.tables(history, self._names)
            parts.write(self._chunk(chunk), tables, f"{self._of} {chunk}")

    def _chunk(self, chunk: int) -> Path:
        return self.folder / CHUNKS / f"{chunk:06}.npz"

    def _digest(self, step: int) -> Path:
        return self.folder / DIGESTS / f"{step}.json"

    @cached_property
    def _manager(self) -> Any:
        import orbax.checkpoint as ocp  # takes half a second, and a short run needs none

        logging.getLogger("absl").setLevel(logging.CRITICAL)  # what it logs is raised as well
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, cleanup_tmp_directories=True)
        return ocp.CheckpointManager((self.folder / CHECKPOINTS).absolute(), options=options)

    def _save(self, position: Position) -> None:
        import orbax.checkpoint as ocp

        step = position.chunk * (self.epochs + 1) + position.epoch
        history = snapshots.tables(position.history, self._names)
        tree = snapshots.tree(position.state, history)
        beside = {"blocks": len(position.history.blocks), "sha256": self._digest_of(step, tree)}
        with self._writing():
            if step in self._manager.all_steps():  # restored a moment ago
                return
            if devices.leads():  # the digest first: without it a checkpoint is worthless
                self._digest(step).parent.mkdir(parents=True, exist_ok=True)
                runs.put(self._digest(step), as_json(beside))
            self._manager.save(step, args=ocp.args.StandardSave(tree))

    def _restored(self, step: int, chunk: int, like: TrainState) -> Position | None:
        """None, after a warning, if anything at all is wrong with it."""
        position, reason = None, ""
        try:
            position = self._read(step, chunk, like)
        except Exception as error:  # orbax meets damage with errors of every kind
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not devices.most(int(position is None)):
            return position
        devices.warn(
            f"the checkpoint {step} in {self.folder} is damaged ({reason[:200]}); "
            "going on from the one before."
        )
        if devices.leads():
            runs.remove(self.folder / CHECKPOINTS / str(step))
        devices.meet(f"removed-{step}")
        self._manager.reload()
        return None

    def _read(self, step: int, chunk: int, like: TrainState) -> Position:
        import orbax.checkpoint as ocp

        beside = json.loads(self._digest(step).read_bytes())
        history = snapshots.shapes(self._rows, int(beside["blocks"]), self._names)
        shapes = snapshots.tree(like, history)
        tree = self._manager.restore(step, args=ocp.args.StandardRestore(shapes))
        if self._digest_of(step, tree) != beside["sha256"]:
            raise ValueError("it is not what its digest says")
        state = jax.tree.unflatten(jax.tree.structure(like), [*tree["state"].values()])
        history = snapshots.history(tree["history"], self._names)
        return Position(chunk, step - chunk * (self.epochs + 1), state, history)

    def _digest_of(self, step: int, tree: Tree) -> str:
        return snapshots.digest_of(f"{self._of} {step}", tree)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Errors on writing end the run; the checkpoints before stay."""
        try:
            yield
        except (InputError, KeyboardInterrupt):
            raise
        except Exception as error:  # orbax passes on a full disk as errors of several kinds
            if jax.process_count() > 1:
                raise lost(error, self.run) from error
            reason = " ".join(str(error).split())[-200:]
            raise runs.not_kept(self.run, reason) from error
