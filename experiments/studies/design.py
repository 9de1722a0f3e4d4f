"""A study as data: which networks are trained how, and what the claim says of their differences."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.data.images import Dataset
from experiments.models import Architecture
from experiments.report.intervals import PER_CENT, POSITIVE, Range
from experiments.training.recipe import Recipe, recipe

Measured = Mapping[str, np.ndarray]
"""Of each measure an array of seeds by arms; accuracies are in %."""


class Term(NamedTuple):
    """A number of each seed, and perhaps of each test image."""

    case: str
    arm: str
    measure: str

    @property
    def unit(self) -> str:
        """Of a difference: percentage points, unless its measure says otherwise."""
        units = {"NLL": "nats", "epochs": "epochs", "ratio": "", "MSE": "", "MAE": ""}
        return next((unit for word, unit in units.items() if word in self.measure), "points")

    @property
    def possible(self) -> Range:
        """From where to where it may lie."""
        return PER_CENT if self.unit == "points" else POSITIVE


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

    train_size: int
    """At most, for there may be fewer."""
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
    margin: float | None = None
    """The smallest difference that matters; by default the study's, in percentage points."""
    dataset: str = ""
    """Which the cases are on, in a study on several."""

    @property
    def claims_same(self) -> bool:
        """Whether it says that there is hardly a difference."""
        return self.low < 0 < self.high


class Design(NamedTuple):
    """All of a study; the claim holds if every contrast does."""

    cases: Mapping[str, Case]
    contrasts: Sequence[Contrast]


def together(designs: Mapping[str, Design]) -> Design:
    """One of several data sets, by whose names cases and contrasts are told apart."""
    if len(designs) == 1:
        return next(iter(designs.values()))
    cases = {
        f"{name}: {title}": case
        for name, design in designs.items()
        for title, case in design.cases.items()
    }
    contrasts = [
        contrast._replace(
            words=f"{name}: {contrast.words}",
            weights={t._replace(case=f"{name}: {t.case}"): w for t, w in contrast.weights.items()},
            dataset=name,
        )
        for name, design in designs.items()
        for contrast in design.contrasts
    ]
    return Design(cases, contrasts)


def more(words: str, one: Term, other: Term, margin: float | None = None) -> Contrast:
    """The one is larger than the other."""
    return Contrast(words, {one: 1.0, other: -1.0}, margin=margin)


def less(words: str, one: Term, other: Term, margin: float | None = None) -> Contrast:
    """The one is smaller than the other."""
    return Contrast(words, {one: 1.0, other: -1.0}, -math.inf, 0.0, margin)


def same(words: str, one: Term, other: Term, within: float) -> Contrast:
    """The two differ by less than something."""
    return Contrast(words, {one: 1.0, other: -1.0}, -within, within)


def interaction(words: str, here: tuple[Term, Term], there: tuple[Term, Term]) -> Contrast:
    """The first of a pair gains more on the second here than there."""
    return Contrast(words, {here[0]: 1.0, here[1]: -1.0, there[0]: -1.0, there[1]: 1.0})


def accuracy(case: str, arm: str) -> Term:
    """Test accuracy in %."""
    return Term(case, arm, "test accuracy")
