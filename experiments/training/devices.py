"""The devices that there are, as one axis: rows are shared out over it, all else is replicated.

They may belong to several processes, perhaps on several machines, which JAX connects; process 0
prints and writes.
"""

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TextIO, TypeVar

import jax
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.errors import InputError, expect
from experiments.words import Unset

ROWS = PartitionSpec("rows")
ALL = PartitionSpec()
T = TypeVar("T")
SECONDS = 30
"""After which a process that is not heard of counts as dead."""


def leads() -> bool:
    """Whether this is the process that prints and writes."""
    return jax.process_index() == 0


def several() -> bool:
    """Whether there are more, one of which may be dead."""
    return jax.process_count() > 1


def say(message: str, file: TextIO | None = None) -> None:
    """Prints it, once for all processes."""
    if leads():
        print(message, file=file)


def warn(message: str) -> None:
    """The same, as a warning."""
    say(f"warning: {message}", sys.stderr)


def mesh(rows: int = 0) -> Mesh:
    """All devices, those of other processes among them; or so many as share rows out evenly."""
    used = math.gcd(rows, jax.device_count())  # of 0 rows: all
    return Mesh(np.array(jax.devices()[:used]), "rows")


def one_by_one() -> bool:
    """Whether a device takes its rows one after the other: a CPU does, accelerators take them all.

    It is asked in tracing, of the devices that the program is for, so that the other way is not in
    it, and there need be no such device.
    """
    return mesh().devices.flat[0].platform == "cpu"


def over_rows(of_row: Callable[..., T], shared: Any, *leaves: Any, vmapped: bool = False) -> T:
    """Maps a function of what is shared and of one row, on all devices; `vmapped` even on a CPU.

    There each core is a device, for XLA multiplies small matrices on one core alone.
    """
    at_once = vmapped or not one_by_one()

    def of_share(shared: Any, leaves: Any) -> T:
        def one(leaves: Any) -> T:
            return of_row(shared, *leaves)

        return jax.vmap(one)(leaves) if at_once else lax.map(one, leaves)

    rows = len(jax.tree.leaves(leaves)[0])
    specs = {"in_specs": (ALL, ROWS), "out_specs": ROWS}
    return jax.shard_map(of_share, mesh=mesh(rows), check_vma=False, **specs)(shared, leaves)


def put(tree: T, spec: PartitionSpec) -> T:
    """Arrays whose `ROWS` are shared out over the devices, or of which each has them `ALL`."""
    return jax.device_put(tree, NamedSharding(mesh(), spec))


def placed(tree: T, spec: PartitionSpec) -> T:
    """The shapes and types of what `put` gives."""
    place = partial(jax.ShapeDtypeStruct, sharding=NamedSharding(mesh(), spec))
    return jax.tree.map(lambda leaf: place(leaf.shape, leaf.dtype), tree)


def gathered(tree: Any) -> Any:
    """Numpy arrays of what the devices hold, the same in every process."""
    if several():
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def agree(holds: bool) -> bool:
    """Whether any process says so: they all do the same then."""
    return -least(-int(holds)) == 1


def least(number: int) -> int:
    """The smallest of what the processes say."""
    if not several():
        return number
    return int(np.min(multihost_utils.process_allgather(np.int32(min(number, 2**31 - 1)))))


def total(number: int) -> int:
    """What all processes have, if each has no more than the one with least."""
    return least(number) * jax.process_count()


def alone(what: str) -> None:
    """Refuses several processes."""
    expect(not several(), f"one process for {what}", jax.process_count())


def lead(action: Callable[[], object]) -> None:
    """Process 0 does this; where it is refused, all stop."""
    refusal = None
    try:
        if leads():
            action()
    except InputError as error:
        refusal = error
    if agree(refusal is not None):
        raise refusal or InputError("Expected process 0 to begin; got a refusal, see its message.")


def lost(error: Exception, go_on: str) -> InputError:
    """What to say when the processes cannot work together any more, and how to go on."""
    reason = " ".join(str(error).split())[-300:]
    return InputError(
        f"Expected all {jax.process_count()} processes to go on, each with room to write; got: "
        f"{reason}. Start them again, each with {go_on} and its place in the cluster."
    )


@dataclass(frozen=True)
class Cluster:
    """Several processes: start the same command in each of them."""

    distributed: bool = False
    """Spread over the processes of a cluster that JAX knows by itself: SLURM, Kubernetes, TPU."""
    coordinator: Unset[str] = None
    """Address (host:port) of process 0, where JAX does not know it by itself."""
    processes: Unset[int] = None
    """How many there are; with --coordinator."""
    process_id: Unset[int] = None
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


def leave(status: int) -> NoReturn:
    """Ends this process at once, process 0 last: JAX would wait for others, which may be dead."""
    sys.stdout.flush()
    sys.stderr.flush()
    if leads():
        time.sleep(1)  # the others would take its end for a failure
    os._exit(status)
