"""What a study can answer, and the exit status that says so."""

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """Its words; `not decided` means that more seeds or data could still bring either answer."""

    AGREE = "agree"
    DISAGREE = "disagree"
    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "not decided at this size"
    UNPUBLISHED = "nothing published to compare with"

    @property
    def status(self) -> int:
        """0 it holds, 1 it does not, 3 that cannot be told."""
        if self in (Verdict.AGREE, Verdict.SUPPORTED):
            return 0
        return 3 if self in (Verdict.UNDECIDED, Verdict.UNPUBLISHED) else 1


def together(verdicts: Iterable[Verdict]) -> int:
    """The status of several: 1 if any says no; else 3 if any is open, or if there are none."""
    statuses = {verdict.status for verdict in verdicts}
    return next((status for status in (1, 3) if status in statuses), 0 if statuses else 3)
