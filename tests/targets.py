"""Devices that tests compile for without one, where their compilers are installed."""

from typing import Any

import pytest
from jax.experimental import topologies

from experiments.bench.targets import PACKAGES, TOPOLOGIES, Target, is_installed, platform


def _where_there_is_a_compiler(target: Target) -> Any:
    there = all(map(is_installed, PACKAGES[platform(target)]))
    return pytest.param(target, marks=pytest.mark.skipif(not there, reason="no compiler for it"))


of_targets = pytest.mark.parametrize("target", [*map(_where_there_is_a_compiler, ("v5e", "h100"))])
"""A TPU and a GPU."""


def device(target: Target) -> Any:
    """The first of a topology."""
    return topologies.get_topology_desc(**TOPOLOGIES[target]).devices[0]
