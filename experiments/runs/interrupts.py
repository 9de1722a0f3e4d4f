"""Ctrl-C: the first one waits for a checkpoint, the second does not."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A run was interrupted; the message says how to go on."""


class Interrupts:
    """What `heard` has heard."""

    asked = False

    def hear(self, *_: object) -> None:
        """Someone pressed Ctrl-C."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("Interrupted: a checkpoint is taken first. Ctrl-C again: without.", file=sys.stderr)


@contextmanager
def heard() -> Iterator[Interrupts]:
    """Listens, unless it is in a thread, where Python does not let it."""
    interrupts, main = Interrupts(), threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, interrupts.hear) if main else None
    try:
        yield interrupts
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
