"""The studies, a file and a line each: what is claimed, and the command that finds out."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

from experiments.report.verdict import Verdict
from experiments.studies import run as study
from experiments.studies.claims import (
    activation,
    alpha,
    batchnorm,
    capacity,
    combine,
    convergence,
    dense_or_conv,
    depth,
    dropconnect,
    early_late,
    ensemble,
    global_pool,
    inference,
    input,
    rate,
    recurrent,
    spatial,
    stochastic_depth,
    transformer,
    where,
)
from experiments.studies.uci import run as uci
from experiments.studies.uncertainty import run as uncertainty


class Study(NamedTuple):
    """Its claim, its usual settings, which data it lacks (in words), and whether it holds."""

    claim: str
    defaults: Any
    lacks: Callable[[Any], str]
    run: Callable[[Any], Verdict]


def _of_design(module: ModuleType) -> Study:
    """A study whose file says what to train; all of them do with what scikit-learn ships."""
    return Study(module.CLAIM, module.DEFAULTS, lambda _: "", partial(study.run, module))


DESIGNS = (
    activation,
    where,
    rate,
    spatial,
    depth,
    batchnorm,
    combine,
    convergence,
    ensemble,
    capacity,
    recurrent,
    alpha,
    dropconnect,
    stochastic_depth,
    inference,
    global_pool,
    early_late,
    input,
    dense_or_conv,
    transformer,
)
DESIGNED = {study.name_of(module): module for module in DESIGNS}
STUDIES = {name: _of_design(module) for name, module in DESIGNED.items()} | {
    "uncertainty": Study(
        uncertainty.CLAIM, uncertainty.Uncertainty(), uncertainty.lacks, uncertainty.uncertainty
    ),
    "uci": Study(uci.CLAIM, uci.Uci(), uci.lacks, uci.uci),
}
