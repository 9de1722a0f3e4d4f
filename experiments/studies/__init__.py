"""The studies, by name."""

from functools import partial
from importlib import import_module

from experiments.studies.run import Study, how_long, name_of, prepare
from experiments.studies.uci.run import UCI
from experiments.studies.uncertainty.run import UNCERTAINTY

CLAIMS = (
    "activation where rate spatial depth batchnorm combine convergence ensemble capacity recurrent "
    "alpha dropconnect stochastic_depth inference global_pool early_late input dense_or_conv "
    "transformer"
)
"""A module each."""
DESIGNS = [import_module(f"experiments.studies.claims.{name}") for name in CLAIMS.split()]
DESIGNED = {
    name_of(it): Study(it.CLAIM, it.DEFAULTS, partial(prepare, it), takes=how_long(it.__doc__))
    for it in DESIGNS
}
STUDIES = DESIGNED | {"uncertainty": UNCERTAINTY, "uci": UCI}
