"""How far metrics may lie apart where bits cannot be the same: on other devices, other versions.

Rounding grows over training. Between two versions of JAX on one CPU, over 100 epochs of the default
comparison, single accuracies came out up to 0.6 points apart, and log-likelihoods up to 1.3 %.
"""

import csv
import io
from dataclasses import dataclass

import numpy as np

from experiments.errors import InputError, expect

POINTS, OTHERS = 5, 0.1
STATED = f"accuracies and other shares within {POINTS} points, all else {OTHERS:g} + {OTHERS:.0%}"
SHARES = ("accuracy", "auroc", "ece", "brier")
Table = dict[tuple[str, ...], list[float]]


@dataclass(frozen=True)
class Distance:
    """The largest of any network, and the first that is beyond what is tolerated."""

    points: float
    others: float
    beyond: str

    @property
    def in_words(self) -> str:
        """For the screen."""
        return f"shares by at most {self.points:.2f} points, the rest by {self.others:.2g}"


def distance(one: bytes, other: bytes, keys: int, point: float) -> Distance:
    """Between two tables whose first columns name a row; a point in the unit of accuracies."""
    (names, first), (there, second) = _table(one, keys), _table(other, keys)
    alike = (names, [*first]) == (there, [*second])
    expect(alike, f"a table of {len(second)} rows of {', '.join(there)}", "another")
    pairs = np.array([[first[row], second[row]] for row in second])  # rows, two, measures
    pairs = pairs.reshape(len(second), 2, len(names))  # also of no rows
    shares = np.array([any(share in name for share in SHARES) for name in names])
    same = np.isnan(pairs).all(1) | (pairs[:, 0] == pairs[:, 1])  # a network that diverged, twice
    apart = abs(np.subtract(*pairs.swapaxes(0, 1), where=~same, out=np.zeros(same.shape)))
    allowed = np.where(shares, POINTS * point, OTHERS + OTHERS * abs(pairs).min(1))
    within = (same | ((apart <= allowed) & np.isfinite(apart))).all(1)
    beyond = [", ".join(row) for row, fine in zip(second, within, strict=True) if not fine]
    points, others = (
        float(np.nan_to_num(apart[:, mask]).max(initial=0)) for mask in (shares, ~shares)
    )
    return Distance(points / point, others, next(iter(beyond), ""))


def first_row(one: bytes, other: bytes, keys: int) -> str:
    """The first that is not the same, in words; the earliest, where rows have an epoch."""
    header, *rows = (row[:keys] for row in _rows(other))
    pairs = zip(rows, _rows(one)[1:], _rows(other)[1:], strict=False)
    apart = [dict(zip(header, row, strict=True)) for row, mine, theirs in pairs if mine != theirs]
    first = min(apart, key=lambda row: int(row.get("epoch", 0)), default={})
    return ", ".join(f"{name} {first[name]}" for name in sorted(first, key="epoch".__ne__))


def _rows(content: bytes) -> list[list[str]]:
    return [*csv.reader(io.StringIO(content.decode(errors="replace")))]


def _table(content: bytes, keys: int) -> tuple[list[str], Table]:
    """The names of what is measured, and the measures of each row; empty ones are NaN."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode()))
        found = {tuple(row[:keys]): [float(cell or "nan") for cell in row[keys:]] for row in rows}
    except (ValueError, csv.Error) as error:
        raise InputError(f"Expected a table of numbers; got: {error}.") from None
    expect(len(found) == len(rows), "rows of different names", "the same twice")
    expect(all(len(row) == len(header) - keys for row in found.values()), "full rows", "others")
    return header[keys:], found
