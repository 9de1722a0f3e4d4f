"""What each arm predicts, and how good its uncertainty is."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import entr

from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.train import Params, predict
from jaxdrop import montecarlo

ARMS: tuple[str, ...] = ("deterministic", "MC dropout", "ensemble")
CHUNK = 16  # samples computed at once
_SAMPLING = 0x5341_4D50  # "SAMP": keeps keys of samples apart from those of the training


class Scores(NamedTuple):
    """Of one arm on one seed. AUROC: uncertainty is the predictive entropy, everywhere."""

    accuracy: float
    nll: float
    brier: float
    ece: float
    corrupted_accuracy: float
    corrupted_nll: float
    corrupted_ece: float
    unseen_auroc: float
    corrupted_auroc: float
    wrong_auroc: float


class Passes(NamedTuple):
    """Probabilities of every pass, on each set of images."""

    test: Float[np.ndarray, "passes test classes"]
    corrupted: Float[np.ndarray, "passes test classes"]
    unseen: Float[np.ndarray, "passes unseen classes"]

    def first(self, count: int) -> "Passes":
        """What the first ones say together: their mean, as one pass."""
        return Passes(*(part[:count].mean(0, keepdims=True) for part in self))


def passes(
    networks: Params, digits: Digits, rate: float, key: Key[Array, ""], samples: int
) -> dict[str, Passes]:
    """The passes of each arm. All share their first network: only what is averaged differs."""
    x = jnp.concatenate([digits.x_test, digits.x_corrupted, digits.x_unseen])
    first = jax.tree.map(lambda leaf: leaf[0], networks)
    key = jax.random.fold_in(key, _SAMPLING)
    members = jax.vmap(_probabilities, (0, None, None))(networks, x, jnp.float32(rate))
    drawn = _sampled(key, first, x, jnp.float32(rate), samples)
    found = zip(ARMS, (members[:1], drawn, members), strict=True)
    return {name: _parts(np.asarray(values), len(digits.y_test)) for name, values in found}


@partial(jax.jit, static_argnames="samples")
def _sampled(
    key: Key[Array, ""], params: Params, x: Array, rate: Array, samples: int
) -> Float[Array, "samples n classes"]:
    predict = partial(_probabilities, params, x, rate)
    return montecarlo.sample(key, predict, samples, chunk=min(CHUNK, samples))


def _probabilities(
    params: Params, x: Array, rate: Array, key: Key[Array, ""] | None = None
) -> Float[Array, "n classes"]:
    return jax.nn.softmax(predict(params, x, rate, key))


def _parts(values: np.ndarray, tests: int) -> Passes:
    return Passes(*np.split(values, [tests, 2 * tests], axis=1))


def information(passes: Passes) -> Passes:
    """The mutual information of each image: how far the passes disagree."""
    found = (montecarlo.classification(part).mutual_information for part in passes)
    return Passes(*(np.asarray(part)[None] for part in found))


def counts(most: int, members: int) -> list[int]:
    """1, 2, 4 and so on, as many as an ensemble has members, and all."""
    powers = {2**power for power in range(most.bit_length())}
    return sorted(powers | {members, most})


def scores(passes: Passes, labels: np.ndarray) -> Scores:
    """How good the mean of these passes is."""
    test, corrupted, unseen = (part.mean(0) for part in passes)
    known, pooled = entr(test).sum(-1), np.concatenate([test, corrupted])
    twice = np.concatenate([labels, labels])
    of_test = (montecarlo.accuracy, montecarlo.nll, montecarlo.brier, montecarlo.ece)
    of_corrupted = (montecarlo.accuracy, montecarlo.nll, montecarlo.ece)
    found = (
        *(measure(test, labels) for measure in of_test),
        *(measure(corrupted, labels) for measure in of_corrupted),
        *(montecarlo.ood_auroc(known, entr(part).sum(-1)) for part in (unseen, corrupted)),
        montecarlo.misclassification_auroc(pooled, twice, entr(pooled).sum(-1)),
    )
    return Scores(*map(float, found))


def by_count(found: Mapping[str, Passes], labels: np.ndarray) -> dict[tuple[str, int], Scores]:
    """The scores of each arm after 1, 2, 4 … of its passes."""
    members = len(found["ensemble"].test)
    return {
        (name, count): scores(passes.first(count), labels)
        for name, passes in found.items()
        for count in counts(len(passes.test), min(members, len(passes.test)))
    }


def stack(
    results: Sequence[Mapping[tuple[str, int], Scores]],
) -> dict[tuple[str, int], dict[str, Float[np.ndarray, " seeds"]]]:
    """Seeds side by side, for each arm, count and measure."""
    return {
        row: {name: np.array([getattr(seed[row], name) for seed in results])
              for name in Scores._fields}
        for row in results[0]
    }  # fmt: skip
