"""Ctrl-C: the first one waits for a checkpoint, the second does not."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A run was interrupted; the message says how to go on."""


class Interrupts:
    """While it is entered, `asked` tells whether someone pressed Ctrl-C."""

    def __init__(self) -> None:
        """Nobody has yet."""
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        """Listens, unless it is in a thread, where Python does not let it."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listens no longer."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("Interrupted: a checkpoint is taken first. Ctrl-C again: without.", file=sys.stderr)
