"""How well uncertainty ranks: what is foreign or wrong should come first."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxdrop.montecarlo import means, predictions
from jaxdrop.montecarlo.calibration import Labels, Probabilities, correct


class Rejection(NamedTuple):
    """Accuracy of what is kept, against the share that is rejected."""

    rejected: Float[Array, " examples"]
    accuracy: Float[Array, " examples"]


def auroc(
    scores: Float[ArrayLike, " examples"], positive: Bool[ArrayLike, " examples"]
) -> Float[Array, ""]:
    r"""The area under the ROC curve: how often a positive scores above a negative.

    $$P(s^+ > s^-) + \tfrac{1}{2} P(s^+ = s^-)$$

    Args:
      scores: real numbers of shape (examples,); infinite ones are ranked, too.
      positive: bools of shape (examples,).

    Returns:
      A number in [0, 1], in at least float32: 1/2 for scores that tell nothing.

    Raises:
      ValueError: shapes that do not match, NaN, or no positive or no negative example.
      TypeError: scores that are not floating-point, `positive` that is not bool.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> scores = jnp.array([0.1, 0.4, 0.4, 0.8])
      >>> montecarlo.auroc(scores, jnp.array([False, False, True, True])).item()
      0.875

    References:
      Hanley & McNeil, The Meaning and Use of the Area under a ROC Curve, 1982.
    """
    scores = predictions.check_scores("scores", scores)
    positive = predictions.check_flags("positive", positive, len(scores))
    order = jnp.argsort(scores)
    ranked, negatives = scores[order], _running(~positive[order])
    first, last = _ties(ranked, scores)
    lower, upper = (negatives[place].astype(scores.dtype) for place in (first, last))
    beaten = (lower + upper) / 2 / negatives[-1].astype(scores.dtype)
    return means.mean(beaten, positive)


def _running(flags: Array) -> Array:
    """How many there are before each place, and after the last."""
    return jnp.pad(jnp.cumsum(flags.astype(jnp.int32)), (1, 0))


def _ties(ranked: Array, scores: Array) -> tuple[Array, Array]:
    """The place of the first score that is equal, and the place after the last."""
    first, last = (jnp.searchsorted(ranked, scores, side=side) for side in ("left", "right"))
    return first, last


def ood_auroc(
    inside: Float[ArrayLike, " inside"], outside: Float[ArrayLike, " outside"]
) -> Float[Array, ""]:
    r"""How well uncertainty tells foreign inputs from those of the training distribution.

    $$P(u^{out} > u^{in}) + \tfrac{1}{2} P(u^{out} = u^{in})$$

    Args:
      inside: uncertainties of inputs like those of the training, of shape (inside,).
      outside: uncertainties of foreign inputs, of shape (outside,).

    Returns:
      A number in [0, 1], as in `auroc`.

    Raises:
      ValueError: no number in one of them, another rank, or NaN.
      TypeError: uncertainties that are not floating-point.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> montecarlo.ood_auroc(jnp.array([0.1, 0.4]), jnp.array([0.4, 0.8])).item()
      0.875

    References:
      Hendrycks & Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution Examples in
      Neural Networks, 2017.
    """
    inside = predictions.check_scores("inside", inside)
    outside = predictions.check_scores("outside", outside)
    kind = jnp.promote_types(inside.dtype, outside.dtype)
    scores = jnp.concatenate([inside.astype(kind), outside.astype(kind)])
    return auroc(scores, jnp.arange(len(scores)) >= len(inside))


def misclassification_auroc(
    probabilities: Probabilities, labels: Labels, uncertainty: Float[ArrayLike, " examples"]
) -> Float[Array, ""]:
    r"""How well uncertainty tells wrong predictions from right ones.

    $$P(u^{wrong} > u^{right}) + \tfrac{1}{2} P(u^{wrong} = u^{right})$$

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).
      uncertainty: real numbers of shape (examples,), for instance the predictive entropy.

    Returns:
      A number in [0, 1], as in `auroc`.

    Raises:
      ValueError: as in `accuracy`, and all predictions right, or all wrong.
      TypeError: as in `accuracy`, and uncertainties that are not floating-point.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
      >>> montecarlo.misclassification_auroc(p, jnp.array([0, 1, 1]), 1 - p.max(-1)).item()
      1.0

    References:
      Hendrycks & Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution Examples in
      Neural Networks, 2017.
    """
    p, labels = predictions.check_classified(probabilities, labels)
    scores = predictions.check_scores("uncertainty", uncertainty, len(p))
    return auroc(scores, ~correct(p, labels))


def rejection(
    probabilities: Probabilities, labels: Labels, uncertainty: Float[ArrayLike, " examples"]
) -> Rejection:
    r"""Accuracy of the predictions that are kept when the least certain ones are rejected.

    $$a_k = \frac{1}{n - k} \sum_{i \in K_k} [\arg\max_c p_{ic} = y_i]$$

    with the `n - k` most certain examples `K_k`. Among equally uncertain ones rejection is at
    random, and the accuracy is what it is on average, so the order of examples does not matter.

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).
      uncertainty: real numbers of shape (examples,), for instance the predictive entropy.

    Returns:
      `Rejection`: the shares `rejected`, from 0 upwards, and the `accuracy` at each, both of shape
      (examples,): at place `k`, `k` examples are rejected.

    Raises:
      ValueError: as in `accuracy`.
      TypeError: as in `accuracy`, and uncertainties that are not floating-point.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
      >>> curve = montecarlo.rejection(p, jnp.array([0, 1, 1, 0]), 1 - p.max(-1))
      >>> curve.rejected.tolist(), curve.accuracy.tolist()
      ([0.0, 0.25, 0.5, 0.75], [0.75, 1.0, 1.0, 1.0])

    References:
      Nadeem, Zucker & Hanczar, Accuracy-Rejection Curves for Comparing Classification Methods with
      a Reject Option, 2009.
    """
    p, labels = predictions.check_classified(probabilities, labels)
    scores = predictions.check_scores("uncertainty", uncertainty, len(p))
    order = jnp.argsort(scores)
    ranked, hits = scores[order], _running(correct(p, labels)[order])
    first, last = _ties(ranked, ranked)
    kept = jnp.arange(1, len(p) + 1)
    share = (kept - first).astype(p.dtype) / (last - first).astype(p.dtype)
    among_ties = (hits[last] - hits[first]).astype(p.dtype)
    expected = hits[first].astype(p.dtype) + share * among_ties
    rejected = (len(p) - kept).astype(p.dtype) / len(p)
    return Rejection(rejected[::-1], (expected / kept.astype(p.dtype))[::-1])
