"""A study as data: which networks are trained how, and what the claim says of their differences."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.data.images import Dataset
from experiments.models import Architecture
from experiments.training.recipe import Recipe, recipe

Measured = Mapping[str, np.ndarray]
"""Of each measure an array of seeds by arms; accuracies are in %."""
Term = tuple[str, str, str]
"""Case, arm, measure."""


class Arm(NamedTuple):
    """One way to train: rates by patterns of site names, and what differs from the defaults."""

    rates: Mapping[str, float] = {}
    numbers: Mapping[str, float] = {}


class Case(NamedTuple):
    """An architecture on a data set; its arms train as one program."""

    architecture: Architecture
    data: Dataset
    arms: Mapping[str, Arm]
    plan: Mapping[str, Any] = {}
    """Fields of `task.Plan` besides the usual ones."""
    derive: Callable[[Sequence[int], Sequence[Measured]], Measured] = lambda epochs, history: {}
    """Measures that take the whole history."""

    def recipes(self, **defaults: float) -> list[Recipe]:
        """How each arm is trained."""
        sites = self.architecture.sites
        return [
            recipe(sites, arm.rates, **defaults | dict(arm.numbers)) for arm in self.arms.values()
        ]


class Protocol(NamedTuple):
    """What all cases and arms of a study have in common."""

    epochs: int
    batch_size: int
    learning_rate: float
    seeds: int
    seed: int


class Contrast(NamedTuple):
    """One part of a claim: a weighted sum of measures lies between two bounds."""

    words: str
    weights: Mapping[Term, float]
    low: float = 0.0
    high: float = math.inf


class Design(NamedTuple):
    """All of a study; the claim holds if every contrast does."""

    cases: Mapping[str, Case]
    contrasts: Sequence[Contrast]


def more(words: str, one: Term, other: Term, by: float = 0.0) -> Contrast:
    """The one is larger than the other."""
    return Contrast(words, {one: 1.0, other: -1.0}, by)


def less(words: str, one: Term, other: Term) -> Contrast:
    """The one is smaller than the other."""
    return Contrast(words, {one: 1.0, other: -1.0}, -math.inf, 0.0)


def same(words: str, one: Term, other: Term, within: float) -> Contrast:
    """The two differ by less than something."""
    return Contrast(words, {one: 1.0, other: -1.0}, -within, within)


def interaction(words: str, here: tuple[Term, Term], there: tuple[Term, Term]) -> Contrast:
    """The first of a pair gains more on the second here than there."""
    return Contrast(words, {here[0]: 1.0, here[1]: -1.0, there[0]: -1.0, there[1]: 1.0})


def accuracy(case: str, arm: str) -> Term:
    """Test accuracy in %."""
    return case, arm, "test accuracy"
