"""What arms are compared by: accuracy and log-likelihood, or the errors of predicted numbers."""

from typing import Any, NamedTuple

import numpy as np

from experiments.data.images import Dataset
from experiments.studies.design import Measured
from experiments.training.task import Metrics


class Measure(NamedTuple):
    """Its names among all that was measured, and how it is written."""

    name: str
    other: str
    """What is measured besides."""
    header: tuple[str, str, str]
    """Of its columns in the table: itself, its gap between training and test, the other."""
    columns: tuple[str, ...]
    """Of the metrics in files."""
    sign: int
    """1 where more is better, -1 where less is."""
    unit: str
    """Of a value."""
    points: str
    """Of a difference."""
    digits: str
    gap_digits: str
    other_digits: str
    explained: str

    @property
    def of(self) -> str:
        """What stands behind a value."""
        return " %" if "%" in self.unit else ""

    @property
    def most(self) -> str:
        """What is best."""
        return "Highest" if self.sign > 0 else "Lowest"

    def worth(self, value: Any) -> float:
        """The greater the better; what diverged is worst."""
        return float(np.nan_to_num(self.sign * value, nan=-np.inf))

    @property
    def title(self) -> str:
        """As a sentence begins with it."""
        return self.name[0].upper() + self.name[1:]

    def test(self, measured: Measured) -> np.ndarray:
        """Seeds by arms."""
        return np.asarray(measured[f"test {self.name}"])

    def gap(self, measured: Measured) -> np.ndarray:
        """By how much it is better on what was trained on."""
        return self.sign * (np.asarray(measured[f"train {self.name}"]) - self.test(measured))


ACCURACY = Measure(
    "accuracy",
    "NLL",
    ("test acc. %", "gap", "test NLL"),
    Metrics._fields,
    1,
    " (%)",
    "percentage points",
    ".2f",
    ".2f",
    ".3f",
    "Accuracies are in %, gap (train minus test) and difference in percentage points, NLL "
    "(negative log-likelihood) in nats an image.",
)
ERROR = Measure(
    "MSE",
    "MAE",
    ("test MSE", "gap", "test MAE"),
    ("train_mae", "train_mse", "test_mae", "test_mse"),
    -1,
    "",
    "mean squared error",
    ".4g",
    ".3g",
    ".4g",
    "MSE is the mean squared error, MAE the mean absolute one, of all outputs; gap is test minus "
    "train.",
)


def measure_of(data: Dataset) -> Measure:
    """By what networks are compared on it."""
    return ACCURACY if data.has_classes else ERROR
