"""Training as it is watched: what every call has done, and how fast it was."""

import time
from collections.abc import Sequence

import jax

from experiments.runs.progress import Progress
from experiments.training.sweep import Moment, Task
from experiments.words import counted


class Watch:
    """Of one case; its first call that trains compiles, and so does the first that measures."""

    def __init__(self, title: str, task: Task, progress: Progress, others: int) -> None:
        """Begins with what was done before it; so many other cases come after it."""
        self._task, self._progress, self._before = task, progress, progress.done
        layout = task.layout
        networks = f"{counted(layout.arms, 'arm')} × {counted(layout.seeds, 'seed')}"
        self._what, self._compiled = f"Training {title}: {networks}", set[bool]()
        self._others, self._compiling = others, 0.0
        self.examples, self.seconds = 0, 0.0
        self._since = time.monotonic()
        progress.at(self._what, self._before)

    def __call__(self, moment: Moment) -> None:
        """At the end of a call."""
        done, work = self._done(moment), self._work(moment)
        kept = done - self._progress.done - work
        self._progress.leave_out(0.0, kept)
        if moment.seconds:
            self._time(moment, work)
        self._progress.at(self._words(moment), done)
        self._since = time.monotonic()

    def _time(self, moment: Moment, work: int) -> None:
        trains = moment.trained > 0
        if trains not in self._compiled:
            self._compiled.add(trains)
            self._compiling += moment.seconds
            around = max(moment.seconds, time.monotonic() - self._since)
            self._progress.leave_out(around, work)
            self._progress.to_come = self._others * self._compiling
        elif trains:
            self.examples += work
            self.seconds += moment.seconds

    def _done(self, moment: Moment) -> float:
        layout, epochs = self._task.layout, self._task.plan.epochs
        before = moment.chunk * layout.chunk * layout.group * epochs
        here = layout.in_chunk(moment.chunk) * moment.epoch
        return self._before + _epoch(self._task) * (before + here)

    def _work(self, moment: Moment) -> int:
        return _epoch(self._task) * self._task.layout.in_chunk(moment.chunk) * moment.trained

    def _words(self, moment: Moment) -> str:
        chunks = self._task.layout.chunks
        chunk = f", chunk {moment.chunk + 1} of {chunks}" if chunks > 1 else ""
        return f"{self._what}{chunk}, epoch {moment.epoch} of {self._task.plan.epochs}"


def whole(task: Task) -> int:
    """Examples that all networks of a case are trained on, again and again."""
    return _epoch(task) * task.layout.rows * task.layout.group * task.plan.epochs


def _epoch(task: Task) -> int:
    return task.plan.steps_per_epoch * task.plan.batch_size


def speed(watches: Sequence[Watch]) -> str:
    """On each device, without compilation, if anything was trained without."""
    seconds = sum(watch.seconds for watch in watches)
    if not seconds:
        return "too few epochs to tell a speed"
    count = jax.device_count()
    where = f"each of {count} devices" if count > 1 else "1 device"
    pace = sum(watch.examples for watch in watches) / seconds / count
    return f"{pace:,.0f} examples/s on {where}, without compilation"
