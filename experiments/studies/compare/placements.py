"""Where dropout stands, as data: an arm is a row of rates over the named sites of a model."""

import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float32

Placement = Literal[
    "none",
    "input",
    "first-hidden",
    "last-hidden",
    "before-activation",
    "after-activation",
    "input-and-hidden",
    "logits",
]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)


class Arm(NamedTuple):
    """One way to train: where to drop, and how much."""

    placement: Placement
    rate: float


def arms_of(placements: Sequence[Placement], rates: Sequence[float]) -> list[Arm]:
    """No dropout once and first, then each placement at each rate."""
    dropping = [placement for placement in PLACEMENTS[1:] if placement in placements]
    grid = itertools.product(dropping, sorted(set(rates)))
    return [Arm("none", 0.0), *itertools.starmap(Arm, grid)]


def sites_of(placement: Placement, depth: int) -> set[str]:
    """The sites, in a network of `depth` hidden layers, at which a placement drops."""
    before = [f"pre{layer}" for layer in range(1, depth + 1)]
    after = [f"post{layer}" for layer in range(1, depth + 1)]
    sites = {
        "none": [],
        "input": ["input"],
        "first-hidden": after[:1],
        "last-hidden": after[-1:],
        "before-activation": before,
        "after-activation": after,
        "input-and-hidden": ["input", *after],
        "logits": ["logits"],
    }
    return set(sites[placement])


def rate_rows(
    arms: Sequence[Arm], sites: Sequence[str], depth: int
) -> Float32[np.ndarray, "arms sites"]:
    """The rate of each arm at each site: 0 where it does not drop."""
    return np.array(
        [[arm.rate * (site in sites_of(arm.placement, depth)) for site in sites] for arm in arms],
        np.float32,
    )
