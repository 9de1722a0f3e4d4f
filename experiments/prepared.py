"""From what a manifest says to work that can be trained again."""

from typing import Any

from experiments import compare, parse
from experiments.config import Compare
from experiments.errors import expect
from experiments.manifest import Head
from experiments.studies import DESIGNED, uci, uncertainty
from experiments.trials import study
from experiments.trials.settings import Settings
from experiments.uci.config import Uci
from experiments.uncertainty.config import Uncertainty
from experiments.work import Work

KINDS = {"compare": Compare, "run uci": Uci, "run uncertainty": Uncertainty} | {
    f"run {name}": Settings for name in DESIGNED
}


def prepared(head: Head) -> Work[Any]:
    """The same work, cut up as it was."""
    expect(head.command in KINDS, "a manifest of compare or of a study", f"of {head.command!r}")
    config = parse.parse(KINDS[head.command], head.config, "config")
    cuts = {title: case.layout for title, case in head.cases.items() if case.layout}
    if isinstance(config, Compare):
        return compare.prepare(config, cuts.get(compare.CASE))
    if isinstance(config, Uci):
        return uci.prepare(config)
    if isinstance(config, Uncertainty):
        return uncertainty.prepare(config)
    return study.prepare(DESIGNED[head.command.removeprefix("run ")], config, cuts)
