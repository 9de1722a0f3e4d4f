"""Several processes, perhaps on several machines, as one: JAX connects them, process 0 writes."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import jax

from experiments import runs, spread
from experiments.errors import InputError, expect

SECONDS = 30
"""After which a process that is not heard of counts as dead."""


@dataclass(frozen=True)
class Cluster:
    """Several processes: start the same command in each of them."""

    distributed: bool = False
    """Spread over the processes of a cluster that JAX knows by itself: SLURM, Kubernetes, TPU."""
    coordinator: str | None = None
    """Address (host:port) of process 0, where JAX does not know it by itself."""
    processes: int | None = None
    """How many there are; with --coordinator."""
    process_id: int | None = None
    """Which one this is, from 0 up; with --coordinator."""

    def __post_init__(self) -> None:
        """Checks that all three are there or none is."""
        given = (self.coordinator, self.processes, self.process_id)
        names = "--coordinator, --processes and --process-id"
        whole = given.count(None) in (0, 3)
        expect(whole, f"all of {names}, or none", f"{3 - given.count(None)} of them")
        if self.processes is not None and self.process_id is not None:
            expect(self.processes >= 1, "--processes of 1 or more", self.processes)
            inside = 0 <= self.process_id < self.processes
            expect(inside, f"a --process-id from 0 to {self.processes - 1}", self.process_id)

    @property
    def wanted(self) -> bool:
        """Whether there is more than this process."""
        return self.distributed or self.coordinator is not None

    def join(self) -> None:
        """Connects the processes; to be called before JAX starts."""
        if not self.wanted:
            return
        # Without this a death elsewhere aborts this process, from a thread of the runtime, before
        # Python hears of it from the collective that fails.
        jax.config.update("jax_enable_recoverability", True)
        try:
            jax.distributed.initialize(
                self.coordinator,
                self.processes,
                self.process_id,
                initialization_timeout=2 * SECONDS,
                heartbeat_timeout_seconds=SECONDS,
                shutdown_timeout_seconds=SECONDS,
            )
        except Exception as error:  # no cluster, no such address, a missing process: of every kind
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            fix = "Pass --coordinator, --processes and --process-id, the same command in each."
            raise InputError(f"Expected to join a cluster; got: {reason}. {fix}") from error


def lead(action: Callable[[], object]) -> None:
    """Process 0 does this; where it is refused, all stop."""
    refusal = None
    try:
        if spread.leads():
            action()
    except InputError as error:
        refusal = error
    if spread.most(int(refusal is not None)):
        raise refusal or InputError("Expected process 0 to begin; got a refusal, see its message.")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A folder that no other run's processes work in meanwhile."""
    with ExitStack() as stack:
        lead(lambda: stack.enter_context(runs.lock(folder)))
        yield


def lost(error: Exception, folder: Path) -> InputError:
    """What to say when the processes cannot work together any more."""
    reason = " ".join(str(error).split())[-300:]
    return InputError(
        f"Expected all {jax.process_count()} processes to go on, each with room to write; got: "
        f"{reason}. Start them again, each with {runs.how_to_resume(folder)} and its place in the "
        "cluster."
    )


def leave(status: int) -> NoReturn:
    """Ends this process at once, process 0 last: JAX would wait for others, which may be dead."""
    sys.stdout.flush()
    sys.stderr.flush()
    if spread.leads():
        time.sleep(1)  # the others would take its end for a failure
    os._exit(status)
