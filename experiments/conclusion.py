"""What a run concludes, in the file that an atlas is made of."""

import dataclasses
from dataclasses import dataclass

from experiments import runs

FILE = "verdict.json"


@dataclass(frozen=True)
class Conclusion:
    """All text: the claim or question, the verdict, the numbers behind it, how to run it again."""

    study: str
    claim: str
    verdict: str
    words: str
    command: str

    def file(self) -> dict[str, bytes]:
        """As it is written."""
        return {FILE: runs.as_json(dataclasses.asdict(self))}
