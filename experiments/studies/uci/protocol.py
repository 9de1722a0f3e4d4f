"""What Gal & Ghahramani 2016 did, and how near a repetition has to come.

The tolerances are three times the larger of the paired standard error over splits and the standard
deviation over seeds, both from repetitions of the original protocol; they hold for that one alone.
"""

from typing import Any, Literal, NamedTuple

Name = Literal["original", "10x", "2layers"]


class Protocol(NamedTuple):
    """How long the network trains, how deep it is, and what its published files begin with."""

    epochs: int
    batch_size: int
    hidden: tuple[int, ...]
    published: str


class Hyperparameters(NamedTuple):
    """Rate to drop, precision of the noise in the target's unit, weight of the regulariser.

    Each is one number, or one for each split.
    """

    rate: Any
    precision: Any
    weight_reg: Any


class Tolerance(NamedTuple):
    """How far the mean of the paired differences may be from 0."""

    rmse: float
    log_likelihood: float


PROTOCOLS: dict[Name, Protocol] = {
    "original": Protocol(400, 32, (50,), "results"),
    "10x": Protocol(4_000, 128, (50,), "results_10x_epochs"),
    "2layers": Protocol(20_000, 128, (50, 50), "results_2_layers"),
}

HYPERPARAMETERS = {
    "yacht": Hyperparameters(0.01, 0.541869562034, 1e-2),
    "concrete": Hyperparameters(0.01, 0.0557319157756, 1e-4),
    "energy": Hyperparameters(0.05, 0.427114830213, 1e-4),
    "wine-quality-red": Hyperparameters(0.05, 2.95833720839, 1e-4),
    "power-plant": Hyperparameters(0.005, 0.0871109017617, 1e-4),
}

TOLERANCES = {
    "yacht": Tolerance(0.18, 0.07),
    "concrete": Tolerance(0.16, 0.03),
    "energy": Tolerance(0.09, 0.04),
    "wine-quality-red": Tolerance(0.010, 0.015),
}

SMALL = tuple(TOLERANCES)
ALL = tuple(HYPERPARAMETERS)
