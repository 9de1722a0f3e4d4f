"""What an unfinished run has so far: parts that are done, and checkpoints of the one it is in.

A part is a file of arrays. Checkpoints are orbax's, which writes them while training goes on, each
under its name only when it is whole. Neither notices a byte that has changed since, so each holds a
digest of all that is in it, and of which run, part and moment it is.
"""

import hashlib
import io
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.errors import InputError, expect
from experiments.runs.folder import PROGRESS, UNFINISHED, how_to_resume, put, remove
from experiments.runs.interrupts import Interrupted, Interrupts
from experiments.training import devices, sweep
from experiments.training.fingerprints import digest, fingerprints
from experiments.training.sweep import Arrays, Position, named, unnamed

CHECKPOINT_EVERY = 60.0
"""Seconds; a checkpoint of the default comparison takes one, on one core, beside the training."""
KEPT = 3
DIGEST = "sha256"
UNLIKE = "it is not what its digest says"


def check_seconds(every: float) -> None:
    """0 is as often as possible."""
    expect(0 <= every < math.inf, "a --checkpoint-every of 0 seconds or more", every, "Try 60.")


class Checkpoints(sweep.Checkpoints):
    """In the folder of an unfinished run."""

    def __init__(self, run: Path, every: float, interrupts: Interrupts) -> None:
        """A checkpoint is taken `every` so many seconds, and when someone interrupts."""
        self._run, self._every, self._interrupts = run, every, interrupts
        self._identity = hashlib.sha256((run / UNFINISHED).read_bytes()).hexdigest()
        self._last, self._part = time.monotonic(), ""
        self._manager: Any = None
        self._refused: InputError | None = None

    def part(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """A file; one that was refused ends the run, but not before the next one is begun."""
        path, of = self._run / PROGRESS / f"{name}.npz", f"{self._identity} {name}"
        arrays = read(path, of)
        if devices.agree(arrays is None) or arrays is None:  # missing to one is to all
            devices.lead(self._refuse)
            with self._making(name):
                arrays = super().part(name, make)
            devices.lead(lambda: self._put(path, arrays, of))
        self._stop_if_asked(f"{name}; what was done is kept")
        return arrays

    def pause(self) -> None:
        """Stops here, if someone interrupted."""
        self._stop_if_asked(f"{self._part}; what was done is kept")

    def offer(self, position: Position, epochs: int) -> None:
        """Takes a checkpoint if it is time for one; stops if someone interrupted."""
        asked = devices.agree(self._interrupts.asked)
        late = devices.agree(time.monotonic() - self._last >= self._every)
        if asked or (late and not self._waits()):
            self._save(position)
            self._last = time.monotonic()
        if asked:
            self._stop_if_asked(f"epoch {position.epoch} of {epochs}, in {self._part}")

    def restore(self, like: Callable[[int], Position]) -> Position | None:
        """The last checkpoint that is what its digest says."""
        if not devices.agree(self._folder.is_dir()):
            return None
        for epoch in sorted(self._orbax.all_steps(), reverse=True):
            position = self._restored(like(epoch))
            if position is not None:
                return position
        return None

    @property
    def _folder(self) -> Path:
        """Of the checkpoints of the part that is made."""
        return self._run / PROGRESS / self._part

    @property
    def _orbax(self) -> Any:
        import orbax.checkpoint as ocp  # takes half a second, and a short run needs none

        if self._manager is None:
            logging.getLogger("absl").setLevel(logging.CRITICAL)  # what it logs is raised as well
            options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, cleanup_tmp_directories=True)
            self._manager = ocp.CheckpointManager(self._folder.absolute(), options=options)
        return self._manager

    @contextmanager
    def _making(self, name: str) -> Iterator[None]:
        """Orbax's threads end with the part; its checkpoints are of no use any more then."""
        self._part, alive = name, True
        try:
            yield
        except BaseException as error:
            alive = not devices.several() or isinstance(error, Interrupted)
            raise
        finally:
            if alive and self._manager is not None:  # else it would wait for who may be dead
                for end in (self._manager.wait_until_finished, self._manager.close):
                    with suppress(Exception):  # the first error counts
                        end()
            self._manager = None

    def _put(self, path: Path, arrays: Arrays, of: str) -> None:
        try:
            write(path, arrays, of)
            remove(path.with_suffix(""))
        except OSError as error:
            self._refused = self._not_kept(error)

    def _refuse(self) -> None:
        if self._refused:
            raise self._refused

    def _stop_if_asked(self, after: str) -> None:
        if devices.agree(self._interrupts.asked):
            devices.lead(self._refuse)
            raise Interrupted(f"Interrupted after {after}.")

    def _waits(self) -> bool:
        """One process waits for the checkpoint before; several do not, for one may be dead."""
        saving = self._manager is not None and self._manager.is_saving_in_progress()
        return devices.several() and devices.agree(saving)

    def _save(self, position: Position) -> None:
        import orbax.checkpoint as ocp

        tree = named((position.state, position.history)) | {DIGEST: self._digest(position)}
        try:
            if position.epoch not in self._orbax.all_steps():  # else it was restored a moment ago
                self._orbax.save(position.epoch, args=ocp.args.StandardSave(tree))
        except Exception as error:  # orbax passes on a full disk as errors of several kinds
            if devices.several():
                raise devices.lost(error, how_to_resume(self._run)) from error
            raise self._not_kept(error) from error

    def _restored(self, like: Position) -> Position | None:
        """None, after a warning, if anything at all is wrong with it."""
        position, reason = None, ""
        try:
            position = self._read(like)
        except Exception as error:  # orbax meets damage with errors of every kind
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not devices.agree(position is None):
            return position
        devices.warn(
            f"the checkpoint {like.epoch} in {self._folder} is damaged ({reason[:200]}); "
            "going on from the one before."
        )
        devices.lead(lambda: remove(self._folder / str(like.epoch)))
        self._orbax.reload()
        return None

    def _read(self, like: Position) -> Position:
        import orbax.checkpoint as ocp

        parts = like.state, like.history
        wanted = named(parts) | {DIGEST: np.zeros(32, np.uint8)}
        tree = self._orbax.restore(like.epoch, args=ocp.args.StandardRestore(wanted))
        known = tree.pop(DIGEST)
        position = Position(like.epoch, *unnamed(parts, tree))
        if not np.array_equal(known, self._digest(position)):
            raise ValueError(UNLIKE)
        return position

    def _digest(self, position: Position) -> np.ndarray:
        networks = devices.gathered(fingerprints(position.state))
        of = f"{self._identity} {self._part} {position.epoch}"
        return _digest(of, networks, *jax.tree.leaves(position.history))

    def _not_kept(self, error: Exception) -> InputError:
        """What to say when there is no room."""
        reason = " ".join(str(error).split())[-200:]
        return InputError(
            f"Expected to write a checkpoint to {self._run}; got: {reason}. What was written "
            f"before is kept: make room, then {how_to_resume(self._run)}."
        )


def write(path: Path, arrays: Arrays, of: str) -> None:
    """A file that appears whole, with a digest of all that is in it, and of what it is of."""
    content = io.BytesIO()
    sealed: dict[str, Any] = {**arrays, DIGEST: _digest_of_all(arrays, of)}
    np.savez(content, **sealed)
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, content.getvalue())


def read(path: Path, of: str) -> Arrays | None:
    """None if there is no such file, and after a warning if it is not what was written."""
    try:
        with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
            arrays = dict(file)
        if np.array_equal(arrays.pop(DIGEST), _digest_of_all(arrays, of)):
            return arrays
        reason = UNLIKE
    except FileNotFoundError:
        return None
    except Exception as error:  # zipfile and numpy meet damage with errors of every kind
        reason = str(error) or type(error).__name__
    devices.warn(f"{path} is damaged ({reason}): that part is trained again.")
    return None


def _digest_of_all(arrays: Arrays, of: str) -> np.ndarray:
    """Of names and bytes; whose they are fixes shapes and types."""
    names = sorted(arrays)
    return _digest("\n".join([of, *names]), *(arrays[name] for name in names))


def _digest(of: str, *arrays: np.ndarray) -> np.ndarray:
    """As numbers, which files of arrays take."""
    return np.frombuffer(bytes.fromhex(digest(np.array(of), *arrays)), np.uint8)
