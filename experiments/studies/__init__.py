"""The studies, a file and a line each."""

from functools import partial

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
from experiments.studies.run import name_of, prepare
from experiments.studies.study import Study, how_long
from experiments.studies.uci.run import UCI
from experiments.studies.uncertainty.run import UNCERTAINTY

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
DESIGNED = {
    name_of(module): Study(
        module.CLAIM, module.DEFAULTS, partial(prepare, module), takes=how_long(module.__doc__)
    )
    for module in DESIGNS
}
STUDIES = DESIGNED | {"uncertainty": UNCERTAINTY, "uci": UCI}
