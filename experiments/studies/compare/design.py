"""Where dropout stands, as data: one network, whose arms are a grid of placements and rates."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from glob import escape
from typing import NamedTuple

from experiments.data.images import Form, load
from experiments.errors import expect
from experiments.models import Architecture
from experiments.studies.compare.own import network
from experiments.studies.compare.settings import PLACEMENTS, Compare, Placement
from experiments.studies.compare.source import Source
from experiments.studies.design import Arm, Case, Design, perceptron

CASE = "networks"
ALL = "all"
Placements = Mapping[str, tuple[str, ...]]
"""Patterns of the sites at which each drops; `none` is always there, and not among them."""


class Point(NamedTuple):
    """Of the grid: where to drop, and how much."""

    placement: str
    rate: float


def grid(placements: Iterable[str], rates: Sequence[float]) -> list[Point]:
    """No dropout once and first, then each placement at each rate."""
    dropping = [placement for placement in dict.fromkeys(placements) if placement != "none"]
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


def of_model(names: Sequence[str], groups: Sequence[str] = ()) -> Placements:
    """Each site of a reader's model alone, all of them, and each group that a pattern names."""
    alone = {name: (escape(name),) for name in names}
    for what, given in (("sites", names), ("groups", groups)):
        taken = sorted({"none", ALL} & {*given})
        expect(not taken, f"{what} of other names than none and {ALL}", ", ".join(taken))
    together = {ALL: ("*",)} if len(names) > 1 else {}
    return alone | together | {pattern: (pattern,) for pattern in groups}


def placements(config: Compare, architecture: Architecture) -> Placements:
    """All that are asked for."""
    if config.own.model:
        return of_model(architecture.sites, config.own.sites)
    depth, wanted = len(config.network.widths), config.arms.placements
    return {name: sites(name, depth) for name in PLACEMENTS[1:] if name in wanted}


def design(config: Compare, case: Case | None = None) -> Design:
    """Nothing is claimed of the arms; what they train on is the case's, or what is asked for."""
    case = case or case_of(config)
    decay, rates = {"weight_decay": config.training.weight_decay}, config.arms.rates
    there = placements(config, case.architecture)
    arms = {
        f"{placement} {rate}": Arm(dict.fromkeys(there.get(placement, ()), rate), decay)
        for placement, rate in grid(there, rates)
    }
    return Design({CASE: case._replace(arms=arms)}, contrasts=[])


def case_of(config: Compare, of_file: Source | None = None) -> Case:
    """Our network, or a model from a file; and its data."""
    asked, own, ours = vars(config.data).values(), config.own, config.network
    if of_file is None:
        data = load(*asked)
        return Case(perceptron(data, ours.widths, activation=ours.activation), data, {})
    data = load(*asked, form=Form(True, own.loss == "cross-entropy"))
    size = min(config.batch, config.data.train_size)
    rest = own.insert, of_file.path, config.arms.rates
    return Case(network(of_file.make, data, size, *rest), data, {})
