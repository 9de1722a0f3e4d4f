"""The studies, a file and a line each: what is claimed, and the command that finds out."""

from collections.abc import Callable
from typing import Any, NamedTuple

from experiments.studies import uci, uncertainty
from experiments.verdict import Verdict


class Study(NamedTuple):
    """Its claim, its settings, which data it lacks (in words), and whether the claim holds."""

    claim: str
    config: type
    lacks: Callable[[Any], str]
    run: Callable[[Any], Verdict]


STUDIES = {
    "uncertainty": Study(
        uncertainty.CLAIM, uncertainty.Uncertainty, uncertainty.lacks, uncertainty.uncertainty
    ),
    "uci": Study(uci.CLAIM, uci.Uci, uci.lacks, uci.uci),
}
