"""Where dropout stands, as data: one network, whose arms are a grid of placements and rates."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from experiments.data.images import load
from experiments.studies.compare.settings import PLACEMENTS, Compare, Placement
from experiments.studies.design import Arm, Case, Design
from experiments.studies.networks import perceptron

CASE = "networks"


class Point(NamedTuple):
    """Of the grid: where to drop, and how much."""

    placement: Placement
    rate: float


def grid(placements: Sequence[Placement], rates: Sequence[float]) -> list[Point]:
    """No dropout once and first, then each placement at each rate."""
    dropping = [placement for placement in PLACEMENTS[1:] if placement in placements]
    points = itertools.product(dropping, sorted(set(rates)))
    return [Point("none", 0.0), *itertools.starmap(Point, points)]


def sites(placement: Placement, depth: int) -> tuple[str, ...]:
    """Patterns of the sites, in a network of `depth` hidden layers, at which a placement drops."""
    return {
        "none": (),
        "input": ("input",),
        "first-hidden": ("post1",),
        "last-hidden": (f"post{depth}",),
        "before-activation": ("pre*",),
        "after-activation": ("post*",),
        "input-and-hidden": ("input", "post*"),
        "logits": ("logits",),
    }[placement]


def design(config: Compare) -> Design:
    """Nothing is claimed of the arms."""
    data = load(*vars(config.data).values())
    network = perceptron(data, config.network.widths, activation=config.network.activation)
    decay = {"weight_decay": config.training.weight_decay}
    arms = {
        f"{placement} {rate}": Arm(dict.fromkeys(sites(placement, network.depth), rate), decay)
        for placement, rate in grid(config.arms.placements, config.arms.rates)
    }
    return Design({CASE: Case(network, data, arms)}, contrasts=[])
