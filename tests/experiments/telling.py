"""What a command tells of its progress."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from experiments.runs.progress import Progress


@contextmanager
def telling() -> Iterator[dict[str, float]]:
    """Each thing that it says, in order, and the share that was done when it said so last."""
    told, at = {}, Progress.at

    def heard(self: Progress, what: str, done: float) -> None:
        at(self, what, done)
        told[what] = done / self._total

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "at", heard)
        yield told
