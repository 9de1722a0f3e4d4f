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
    def checks(self) -> bool:
        """Whether it is on published figures, not on a claim."""
        return self in (Verdict.AGREE, Verdict.DISAGREE, Verdict.UNPUBLISHED)

    def status(self, strict: bool = False) -> int:
        """0 for a run that is done; of a check, or if `strict`, 1 for no and 3 for what is open."""
        if self in (Verdict.AGREE, Verdict.SUPPORTED) or not (strict or self.checks):
            return 0
        return 3 if self in (Verdict.OPEN, Verdict.MIXED, Verdict.UNPUBLISHED) else 1


def together(verdicts: Iterable[Verdict], strict: bool) -> int:
    """The status of several: 1 if any has it, else 3 if any has it, or if there are none."""
    statuses = {verdict.status(strict) for verdict in verdicts}
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
    details: str = ""
    """Its tables and what is to be said of them, in Markdown."""

    def file(self) -> Files:
        """As it is written."""
        return {FILE: as_json(dataclasses.asdict(self))}
