"""What a study can answer, the exit status that says so, and what a run concludes."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from experiments.report.files import Files, as_json

FILE = "verdict.json"


class Verdict(Enum):
    """Its words.

    `no difference` is one too small to matter, which a part of a claim may show; `open` means that
    more seeds or images could still bring either answer; `mixed`, that data sets do not agree.
    """

    AGREE = "agree"
    DISAGREE = "disagree"
    SUPPORTED = "supported"
    REFUTED = "refuted"
    NO_DIFFERENCE = "no difference"
    OPEN = "open"
    MIXED = "mixed"
    UNPUBLISHED = "nothing published to compare with"

    @property
    def status(self) -> int:
        """0 it holds, 1 it does not, 3 that cannot be told."""
        if self in (Verdict.AGREE, Verdict.SUPPORTED):
            return 0
        return 3 if self in (Verdict.OPEN, Verdict.MIXED, Verdict.UNPUBLISHED) else 1


def together(verdicts: Iterable[Verdict]) -> int:
    """The status of several: 1 if any says no; else 3 if any is open, or if there are none."""
    statuses = {verdict.status for verdict in verdicts}
    return next((status for status in (1, 3) if status in statuses), 0 if statuses else 3)


@dataclass(frozen=True)
class Conclusion:
    """The claim or question, the verdict, the numbers behind it, how to run it again."""

    study: str
    claim: str
    verdict: str
    words: str
    command: str
    number: str = ""
    """The one that tells most, with its interval and unit."""
    data: str = ""
    seeds: int = 0

    def file(self) -> Files:
        """As it is written."""
        return {FILE: as_json(dataclasses.asdict(self))}
