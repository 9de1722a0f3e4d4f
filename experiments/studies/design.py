"""A study as data: which networks are trained how, and what the claim says of their differences."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.data.images import Dataset, load
from experiments.errors import expect
from experiments.models import Architecture, Perceptron
from experiments.report.intervals import PER_CENT, POSITIVE, Range
from experiments.studies.settings import Settings
from experiments.training.recipe import Recipe, recipe

ACCURACY = "test accuracy"
WIDTHS = (256, 128)
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


Arms = Mapping[str, Arm]
Network = Callable[[Dataset], Architecture]


class Case(NamedTuple):
    """An architecture on a data set; its arms train as one program."""

    architecture: Architecture
    data: Dataset
    arms: Arms
    plan: Mapping[str, Any] = {}
    """Fields of `task.Plan` besides the usual ones."""
    derive: Callable[[Sequence[int], Sequence[Measured]], Measured] = lambda epochs, history: {}
    """Measures that take the whole history."""

    def recipes(self, **defaults: float) -> list[Recipe]:
        """How each arm is trained."""
        sites, arms = self.architecture.sites, self.arms.values()
        return [recipe(sites, arm.rates, **defaults | dict(arm.numbers)) for arm in arms]


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
    cases, contrasts = {}, []
    for name, design in designs.items():
        cases |= {f"{name}: {title}": case for title, case in design.cases.items()}
        for contrast in design.contrasts:
            weights = {t._replace(case=f"{name}: {t.case}"): w for t, w in contrast.weights.items()}
            named = contrast._replace(words=f"{name}: {contrast.words}", dataset=name)
            contrasts.append(named._replace(weights=weights))
    return Design(cases, contrasts)


def more(words: str, one: Term, other: Term, margin: float | None = None) -> Contrast:
    """The one is larger than the other."""
    return Contrast(words, {one: 1.0, other: -1.0}, margin=margin)


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
    return Term(case, arm, ACCURACY)


def pair(case: str, one: str, other: str, measure: str = ACCURACY) -> tuple[Term, Term]:
    """What is measured of two arms of a case."""
    return Term(case, one, measure), Term(case, other, measure)


def over(
    case: str, one: str, other: str, words: str = "", measure: str = ACCURACY, **margin: float
) -> Contrast:
    """Of the one there is more than of the other, by default accuracy."""
    return more(words or f"{one} over {other}", *pair(case, one, other, measure), **margin)


def at(rates: Sequence[float], *sites: str) -> dict[str, Arm]:
    """An arm without dropout, and one for each rate at these sites."""
    return {"none": Arm()} | {str(rate): Arm(dict.fromkeys(sites, rate)) for rate in rates}


def one_case(
    name: str, network: Network, arms: Arms, contrasts: Sequence[Contrast], **plan: Any
) -> Callable[[Settings], Design]:
    """The design of one network on the data asked for."""

    def design(settings: Settings) -> Design:
        data = images(settings)
        return Design({name: Case(network(data), data, arms, plan)}, contrasts)

    return design


def images(settings: Settings, train_size: int | None = None) -> Dataset:
    """The data set asked for; if the split is fixed, of the pool so many images."""
    (name,), size = settings.dataset, train_size or settings.train_size
    return load(name, size, settings.test_size, settings.split)


def perceptron(data: Dataset, widths: tuple[int, ...] = WIDTHS, **options: Any) -> Perceptron:
    """A multilayer perceptron for these images."""
    return Perceptron((data.inputs, *widths, data.classes), **options)


def shape(data: Dataset) -> tuple[int, int, int]:
    """Height, width and channels of square images: grey ones, or else in colour."""
    for channels in (1, 3):
        side = math.isqrt(data.inputs // channels)
        if side * side * channels == data.inputs:
            return side, side, channels
    expect(False, "square images, grey or in three colours", f"{data.inputs} numbers each")
    raise AssertionError


def maps(data: Dataset, **more: Any) -> dict[str, Any]:
    """What convolutional networks take, and more.

    The first convolution halves images of more than 16 × 16, so that a study takes minutes.
    """
    image = shape(data)
    return {"image": image, "classes": data.classes, "stride": 2 if image[0] > 16 else 1} | more
