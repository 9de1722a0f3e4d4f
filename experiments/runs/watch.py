"""Training as it is watched: what every call has done, and how fast it was."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax

from experiments.runs.progress import Progress
from experiments.training import fit
from experiments.training.chunks import Layout
from experiments.training.sweep import Moment, Task
from experiments.words import counted


class Work(NamedTuple):
    """What there is to train, in words and numbers."""

    what: str
    layout: Layout
    epochs: int
    examples: int
    """Of an epoch of a network."""

    @classmethod
    def of(cls, title: str, task: Task) -> "Work":
        """That of a case."""
        layout, plan = task.layout, task.plan
        networks = f"{counted(layout.arms, 'arm')} × {counted(layout.seeds, 'seed')}"
        examples = plan.steps_per_epoch * plan.batch_size
        return cls(f"{title}: {networks}", layout, plan.epochs, examples)

    @classmethod
    def of_networks(
        cls, what: str, networks: int, plan: fit.Plan, epochs: int, times: int = 1
    ) -> "Work":
        """That of networks which `fit` trains together, so many times."""
        layout = Layout(networks, times, 1, networks)
        return cls(what, layout, epochs, plan.steps * plan.batch_size)

    @property
    def whole(self) -> int:
        """Examples that all networks are trained on, again and again."""
        return self.examples * self.layout.rows * self.layout.group * self.epochs


class Watch:
    """Of one work; its first call that trains compiles, and so does the first that measures."""

    def __init__(self, work: Work, progress: Progress, others: int) -> None:
        """Begins with what was done before it; so many others come after it."""
        self._work, self._progress, self._before = work, progress, progress.done
        self._what, self._compiled = f"Training {work.what}", set[bool]()
        self._others, self._compiling = others, 0.0
        self.examples, self.seconds = 0, 0.0
        self._since = time.monotonic()
        progress.at(self._what, self._before)

    def __call__(self, moment: Moment) -> None:
        """At the end of a call."""
        done, trained = self._done(moment), self._trained(moment)
        kept = done - self._progress.done - trained
        self._progress.leave_out(0.0, kept)
        if moment.seconds:
            self._time(moment, trained)
        self._progress.at(self._words(moment), done)
        self._since = time.monotonic()

    def end(self) -> None:
        """All of it is there, though it be from before."""
        self(Moment(self._work.layout.chunks - 1, self._work.epochs))

    def _time(self, moment: Moment, trained: int) -> None:
        trains = moment.trained > 0
        if trains not in self._compiled:
            self._compiled.add(trains)
            self._compiling += moment.seconds
            around = max(moment.seconds, time.monotonic() - self._since)
            self._progress.leave_out(around, trained)
            self._progress.to_come = self._others * self._compiling
        elif trains:
            self.examples += trained
            self.seconds += moment.seconds

    def _done(self, moment: Moment) -> float:
        layout, epochs = self._work.layout, self._work.epochs
        before = moment.chunk * layout.chunk * layout.group * epochs
        here = layout.in_chunk(moment.chunk) * moment.epoch
        return self._before + self._work.examples * (before + here)

    def _trained(self, moment: Moment) -> int:
        return self._work.examples * self._work.layout.in_chunk(moment.chunk) * moment.trained

    def _words(self, moment: Moment) -> str:
        chunks = self._work.layout.chunks
        chunk = f", chunk {moment.chunk + 1} of {chunks}" if chunks > 1 else ""
        return f"{self._what}{chunk}, epoch {moment.epoch} of {self._work.epochs}"


def speed(watches: Sequence[Watch]) -> str:
    """On each device, without compilation, if anything was trained without."""
    seconds = sum(watch.seconds for watch in watches)
    if not seconds:
        return "too few epochs to tell a speed"
    count = jax.device_count()
    where = f"each of {count} devices" if count > 1 else "1 device"
    pace = sum(watch.examples for watch in watches) / seconds / count
    return f"{pace:,.0f} examples/s on {where}, without compilation"
