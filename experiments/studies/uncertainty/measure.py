"""What each arm predicts, and how good its uncertainty is."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import entr

from experiments.models.layers import Layers
from experiments.report.intervals import POSITIVE, SHARE, Range
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.network import predict
from experiments.training.fit import sampling_key
from jaxdrop import montecarlo

ARMS: tuple[str, ...] = ("deterministic", "MC dropout", "ensemble")
CHUNK = 16  # samples computed at once
TITLES = {
    "accuracy": "accuracy",
    "nll": "NLL",
    "brier": "Brier score",
    "ece": "calibration error",
    "corrupted_accuracy": "accuracy, corrupted",
    "corrupted_nll": "NLL, corrupted",
    "corrupted_ece": "calibration error, corrupted",
    "unseen_auroc": "AUROC of unseen classes",
    "corrupted_auroc": "AUROC of corrupted digits",
    "wrong_auroc": "AUROC of mistakes",
}
"""Of the measures. AUROC: uncertainty is the predictive entropy, everywhere."""
HIGHER = {name for name in TITLES if name.endswith(("accuracy", "auroc"))}
PRIMARY = ("ece", "nll", "unseen_auroc", "corrupted_auroc")
Scores = Mapping[str, float]
ByArm = Mapping[tuple[str, int], Mapping[str, Float[np.ndarray, " seeds"]]]
"""Of each arm after so many passes every measure."""


def possible(name: str) -> Range:
    """From where to where a measure may lie."""
    return POSITIVE if name.endswith(("nll", "brier")) else SHARE


class Passes(NamedTuple):
    """Probabilities of every pass, on each set of images."""

    test: Float[np.ndarray, "passes test classes"]
    corrupted: Float[np.ndarray, "passes test classes"]
    unseen: Float[np.ndarray, "passes unseen classes"]

    def first(self, count: int) -> "Passes":
        """What the first ones say together: their mean, as one pass."""
        return Passes(*(images[:count].mean(0, keepdims=True) for images in self))


def passes(
    networks: Layers, digits: Digits, rate: float, key: Key[Array, ""], samples: int
) -> dict[str, Passes]:
    """The passes of each arm. All share their first network: only what is averaged differs."""
    x = jnp.concatenate([digits.x_test, digits.x_corrupted, digits.x_unseen])
    traced, tests = jnp.float32(rate), len(digits.y_test)
    first = jax.tree.map(lambda leaf: leaf[0], networks)
    members = jax.vmap(_probabilities, (0, None, None))(networks, x, traced)
    drawn = _sampled(sampling_key(key), first, x, traced, samples)
    return {
        arm: Passes(*np.split(np.asarray(values), [tests, 2 * tests], axis=1))
        for arm, values in zip(ARMS, (members[:1], drawn, members), strict=True)
    }


@partial(jax.jit, static_argnames="samples")
def _sampled(
    key: Key[Array, ""], params: Layers, x: Array, rate: Array, samples: int
) -> Float[Array, "samples n classes"]:
    predict = partial(_probabilities, params, x, rate)
    return montecarlo.sample(key, predict, samples, chunk=min(CHUNK, samples))


def _probabilities(
    params: Layers, x: Array, rate: Array, key: Key[Array, ""] | None = None
) -> Float[Array, "n classes"]:
    return jax.nn.softmax(predict(params, x, rate, key))


def information(passes: Passes) -> Passes:
    """The mutual information of each image: how far the passes disagree."""
    found = (montecarlo.classification(images).mutual_information for images in passes)
    return Passes(*(np.asarray(of_set)[None] for of_set in found))


def counts(most: int, members: int) -> list[int]:
    """1, 2, 4 and so on, as many as an ensemble has members, and all."""
    powers = {2**power for power in range(most.bit_length())}
    return sorted(powers | {members, most})


def scores(passes: Passes, labels: np.ndarray) -> Scores:
    """How good the mean of these passes is."""
    test, corrupted, unseen = (images.mean(0) for images in passes)
    known, pooled = entr(test).sum(-1), np.concatenate([test, corrupted])
    of_test = (montecarlo.accuracy, montecarlo.nll, montecarlo.brier, montecarlo.ece)
    of_corrupted = (montecarlo.accuracy, montecarlo.nll, montecarlo.ece)
    values = (
        *(measure(test, labels) for measure in of_test),
        *(measure(corrupted, labels) for measure in of_corrupted),
        *(montecarlo.ood_auroc(known, entr(set).sum(-1)) for set in (unseen, corrupted)),
        montecarlo.misclassification_auroc(pooled, np.tile(labels, 2), entr(pooled).sum(-1)),
    )
    return dict(zip(TITLES, map(float, values), strict=True))


def by_count(passes: Mapping[str, Passes], labels: np.ndarray) -> dict[tuple[str, int], Scores]:
    """The scores of each arm after 1, 2, 4 … of its passes."""
    members = len(passes["ensemble"].test)
    return {
        (arm, count): scores(own.first(count), labels)
        for arm, own in passes.items()
        for count in counts(len(own.test), min(members, len(own.test)))
    }


def stack(seeds: Sequence[Mapping[tuple[str, int], Scores]]) -> ByArm:
    """Seeds side by side."""
    return {
        row: {name: np.array([seed[row][name] for seed in seeds]) for name in TITLES}
        for row in seeds[0]
    }
