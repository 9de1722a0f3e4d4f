"""How far metrics may lie apart where bits cannot be the same: on other devices, other versions.

Rounding grows over training. Between two versions of JAX on one CPU, over 100 epochs of the default
comparison, single accuracies came out up to 0.6 points apart, and log-likelihoods up to 1.3 %.
"""

import csv
import io
from dataclasses import dataclass

import numpy as np

from experiments.errors import InputError, expect
from experiments.train import Metrics

ACCURACY, NLL = 0.05, 0.1
STATED = (
    f"each network's accuracies within {100 * ACCURACY:g} points, its negative log-likelihoods "
    f"within {NLL:g} + {NLL:.0%}"
)


@dataclass(frozen=True)
class Distance:
    """The largest of any network."""

    accuracy: float
    nll: float
    tolerated: bool

    @property
    def in_words(self) -> str:
        """For the screen."""
        points = 100 * self.accuracy
        return f"accuracies differ by at most {points:.2f} points, NLLs by at most {self.nll:.2g}"


def distance(one: bytes, other: bytes) -> Distance:
    """Between two files of results."""
    first, second = _columns(one), _columns(other)
    expect(first.keys() == second.keys(), f"results of {len(second)} networks", "of others")
    pairs = np.array([[first[name], second[name]] for name in second])
    apart = abs(pairs[:, 0] - pairs[:, 1])  # network, metric
    allowed = np.where(_is_nll(), NLL + NLL * abs(pairs[:, 1]), ACCURACY)
    same = np.isnan(pairs).all(1)  # a network that diverged, both times
    within = bool(((apart <= allowed) | same).all())
    accuracy, nll = (np.nan_to_num(apart[:, mask]).max() for mask in (~_is_nll(), _is_nll()))
    return Distance(float(accuracy), float(nll), within)


def _is_nll() -> np.ndarray:
    return np.array([name.endswith("nll") for name in Metrics._fields])


def _columns(content: bytes) -> dict[tuple[str, ...], list[float]]:
    """The metrics of each network."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode())))
        count = len(Metrics._fields)
        expect(len(rows) > 1 and rows[0][-count:] == [*Metrics._fields], "results", "none")
        return {tuple(row[:-count]): [float(number) for number in row[-count:]] for row in rows[1:]}
    except (ValueError, csv.Error) as error:
        raise InputError(f"Expected numbers in results.csv; got: {error}.") from None
