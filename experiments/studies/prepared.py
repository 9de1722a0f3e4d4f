"""From what a manifest says to work that can be trained again."""

from typing import Any

from experiments.errors import expect
from experiments.runs import parse
from experiments.runs.manifest import Head
from experiments.runs.work import Work
from experiments.studies import DESIGNED
from experiments.studies import run as study
from experiments.studies.compare import run as compare
from experiments.studies.compare.settings import Compare
from experiments.studies.settings import Settings
from experiments.studies.uci import run as uci
from experiments.studies.uci.config import Uci
from experiments.studies.uncertainty import run as uncertainty
from experiments.studies.uncertainty.config import Uncertainty

KINDS = {"compare": Compare, "run uci": Uci, "run uncertainty": Uncertainty} | {
    f"run {name}": Settings for name in DESIGNED
}


def prepared(head: Head) -> Work[Any]:
    """The same work, cut up as it was."""
    expect(head.command in KINDS, "a manifest of compare or of a study", f"of {head.command!r}")
    config = parse.parse(KINDS[head.command], head.config, "config")
    cuts = {title: case.layout for title, case in head.cases.items() if case.layout}
    if isinstance(config, Compare):
        return compare.prepare(config, cuts)
    if isinstance(config, Uci):
        return uci.prepare(config)
    if isinstance(config, Uncertainty):
        return uncertainty.prepare(config)
    return study.prepare(DESIGNED[head.command.removeprefix("run ")], config, cuts)
