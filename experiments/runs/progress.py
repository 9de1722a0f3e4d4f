"""How far a command is, and for how long it will go on: a bar, or a line every half minute."""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from experiments.training import devices
from experiments.words import duration

EVERY = 30.0
"""Seconds between lines where there is no terminal."""
WORTH_SAYING = 10.0
"""Seconds; what takes less is over before the estimate is read."""


class Progress:
    """What is worked on, and how much of the whole is done.

    What only comes first, such as compilation, and what was done before are left out of the pace.
    """

    def __init__(self, total: float, whole: str = "This run") -> None:
        """Nothing is done of it yet; it is a run, or a look of one."""
        self.what, self.done = "Starting", 0.0
        self.moved: Callable[[], object] = lambda: None
        self.to_come, self.over = 0.0, False
        self._whole, self._total = whole, total
        self._begun, self._left_out, self._said = time.monotonic(), 0.0, False

    def at(self, what: str, done: float) -> None:
        """Goes on with this, when so much is done."""
        self.what, self.done = what, done
        self.moved()
        if not self._said and self.left is not None:
            self._said = True
            if self.left > WORTH_SAYING:
                said = f"{self._whole}, as it is set, will take about {duration(self.left)} here."
                devices.say(said, sys.stderr)

    def leave_out(self, seconds: float, work: float) -> None:
        """So much of both says nothing of what is to come."""
        self._begun += seconds
        self._left_out += work

    def end(self) -> None:
        """What came last is over too, if all is done."""
        self.over = self.done >= self._total
        self.moved()

    @property
    def share(self) -> float:
        """Of the whole; what comes last, such as a measurement, is left until all is done."""
        return 1.0 if self.over else min(self.done / self._total, 0.99)

    @property
    def left(self) -> float | None:
        """Seconds, by the pace so far and for what is compiled yet; none while it is not known."""
        work, seconds = self.done - self._left_out, time.monotonic() - self._begun
        if work <= 0 or seconds <= 0:
            return None
        return seconds * (self._total - self.done) / work + self.to_come

    @property
    def remaining(self) -> str:
        """The same in words."""
        if self.done >= self._total and not self.over:
            return "measuring"
        return "time left not known yet" if self.left is None else f"{duration(self.left)} left"

    @property
    def line(self) -> str:
        """All of it."""
        return f"{self.what}: {math.floor(100 * self.share + 1e-9)}% done, {self.remaining}"


@contextmanager
def shown(total: float, whole: str = "This run") -> Iterator[Progress]:
    """Shows it meanwhile, in the process that prints."""
    progress, console = Progress(total, whole), Console(file=sys.stderr)
    show = _bar if console.is_terminal and not console.is_dumb_terminal else _lines
    if not devices.leads():
        yield progress
        return
    with show(progress, console):
        yield progress
        progress.end()


@contextmanager
def _bar(progress: Progress, console: Console) -> Iterator[None]:
    text = [TextColumn(f"{{task.{name}}}") for name in ("description", "fields[remaining]")]
    with Bar(text[0], BarColumn(), TaskProgressColumn(), text[1], console=console) as bar:
        task = bar.add_task(progress.what, total=1.0, remaining="")

        def move() -> None:
            what, left = progress.what, progress.remaining
            bar.update(task, completed=progress.share, description=what, remaining=left)

        progress.moved = move
        yield


@contextmanager
def _lines(progress: Progress, console: Console) -> Iterator[None]:
    """From a thread of its own, for a compiled call can take minutes."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(EVERY):
            console.print(progress.line, markup=False, highlight=False, soft_wrap=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
