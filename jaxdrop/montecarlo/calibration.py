"""How good probabilities are: accuracy, proper scores, calibration."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxdrop import checks
from jaxdrop.montecarlo import means, predictions

Binning = Literal["width", "mass"]
Probabilities = Float[ArrayLike, "examples classes"]
Labels = Int[ArrayLike, " examples"]


class Reliability(NamedTuple):
    """A reliability diagram: what each bin claims, what it holds, and how many are in it."""

    confidence: Float[Array, " bins"]
    accuracy: Float[Array, " bins"]
    examples: Int[Array, " bins"]
    edges: Float[Array, " bins+1"]


def accuracy(probabilities: Probabilities, labels: Labels) -> Float[Array, ""]:
    r"""The share of examples whose most probable class is the true one.

    $$\frac{1}{n} \sum_i [\arg\max_c p_{ic} = y_i]$$

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).

    Returns:
      A number in [0, 1], in float32.

    Raises:
      ValueError: shapes that do not match, NaN, probabilities outside [0, 1] or that do not sum
        to 1, a label that is no class. Traced values cannot be checked.
      TypeError: probabilities that are not floating-point, labels that are not integers.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
      >>> montecarlo.accuracy(p, jnp.array([0, 0, 1])).item()
      1.0
    """
    return means.share(correct(*predictions.check_classified(probabilities, labels)))


def correct(probabilities: Array, labels: Array) -> Array:
    """Whether the most probable class is the true one; the first wins a tie."""
    return probabilities.argmax(-1) == labels


def nll(probabilities: Probabilities, labels: Labels) -> Float[Array, ""]:
    r"""The mean negative log-likelihood of the true classes, in nats.

    $$-\frac{1}{n} \sum_i \log p_{i y_i}$$

    Of a true class with probability 0 it is infinite, and so is the mean: nothing is clipped.

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).

    Returns:
      A number of 0 or more, in at least float32.

    Raises:
      ValueError, TypeError: as in `accuracy`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.5, 0.5], [0.0, 1.0]])
      >>> round(montecarlo.nll(p, jnp.array([0, 1])).item(), 4)
      0.3466
    """
    p, labels = predictions.check_classified(probabilities, labels)
    return -means.mean(jnp.log(jnp.take_along_axis(p, labels[:, None], axis=1)[:, 0]))


def brier(probabilities: Probabilities, labels: Labels) -> Float[Array, ""]:
    r"""The mean squared distance of the probabilities from the truth, over all classes.

    $$\frac{1}{n} \sum_i \sum_c (p_{ic} - [y_i = c])^2$$

    It lies between 0 and 2; of two classes, it is twice the score of the positive class alone.

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).

    Returns:
      A number in [0, 2], in at least float32.

    Raises:
      ValueError, TypeError: as in `accuracy`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.5, 0.5], [0.0, 1.0]])
      >>> montecarlo.brier(p, jnp.array([0, 0])).item()
      1.25

    References:
      Brier, Verification of Forecasts Expressed in Terms of Probability, 1950.
    """
    p, labels = predictions.check_classified(probabilities, labels)
    truth = labels[:, None] == jnp.arange(p.shape[1], dtype=labels.dtype)[None]
    return means.mean(jnp.square(p - truth.astype(p.dtype)).sum(-1))


def reliability(
    probabilities: Probabilities, labels: Labels, *, bins: int = 15, binning: Binning = "width"
) -> Reliability:
    r"""What a reliability diagram shows: confidence and accuracy, bin by bin.

    $$\mathrm{conf}_b = \frac{1}{n_b} \sum_{i \in b} \max_c p_{ic}, \qquad
    \mathrm{acc}_b = \frac{1}{n_b} \sum_{i \in b} [\arg\max_c p_{ic} = y_i]$$

    Examples are binned by the probability of their most probable class; a bin holds its upper edge.
    Each bin takes a pass over all examples.

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).
      bins: how many.
      binning: `"width"` divides [0, 1] evenly, `"mass"` at quantiles of the confidences, so that
        bins hold about the same number of examples; equal confidences stay together.

    Returns:
      `Reliability`: `confidence`, `accuracy` (both NaN in an empty bin) and number of `examples`
      of each bin, and the `edges` between bins, one more than there are bins.

    Raises:
      ValueError: as in `accuracy`, and less than one bin or another binning.
      TypeError: as in `accuracy`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.75, 0.25], [0.75, 0.25], [0.0, 1.0]])
      >>> diagram = montecarlo.reliability(p, jnp.array([0, 1, 1]), bins=4)
      >>> diagram.confidence.tolist(), diagram.accuracy.tolist(), diagram.examples.tolist()
      ([nan, nan, 0.75, 1.0], [nan, nan, 0.5, 1.0], [0, 0, 2, 1])

    References:
      Niculescu-Mizil & Caruana, Predicting Good Probabilities with Supervised Learning, 2005.
    """
    diagram = _bins(probabilities, labels, bins, binning)
    used = diagram.examples > 0
    confidence, accuracy = (jnp.where(used, part, jnp.nan) for part in diagram[:2])
    return diagram._replace(confidence=confidence, accuracy=accuracy)


def _bins(probabilities: Probabilities, labels: Labels, bins: int, binning: Binning) -> Reliability:
    """The diagram, with 0 in empty bins."""
    p, labels = predictions.check_classified(probabilities, labels)
    checks.check_count("bins", bins, least=1)
    checks.check_choice("binning", binning, ("width", "mass"))
    confidences, hits = p.max(-1), correct(p, labels)
    even = jnp.linspace(0, 1, bins + 1, dtype=p.dtype)
    edges = even if binning == "width" else _quantiles(confidences, bins)
    return _fill(confidences, hits, edges)


def _quantiles(x: Array, parts: int) -> Array:
    """The edges of parts that hold equally many; their places are whole numbers and remainders."""
    places, beyond = np.divmod(np.arange(parts + 1) * (len(x) - 1), parts)
    ranked = jnp.sort(x)
    low, high = ranked[places], ranked[np.minimum(places + 1, len(x) - 1)]
    return low + jnp.asarray(beyond / parts, x.dtype) * (high - low)


@jax.jit
def _fill(confidences: Array, hits: Array, edges: Array) -> Reliability:
    """Bin by bin, because a scatter adds one example after the other, and loses digits at it."""

    def of_bin(edges: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        inside = (confidences > edges[0]) & (confidences <= edges[1])
        examples, right = means.count(inside), means.count(inside & hits)
        share = right.astype(edges[0].dtype) / jnp.maximum(examples, 1).astype(edges[0].dtype)
        return means.mean(confidences, inside), share, examples

    lower, upper = edges[:-1].at[0].set(-jnp.inf), edges[1:].at[-1].set(jnp.inf)
    confidence, accuracy, examples = lax.map(of_bin, (lower, upper))
    return Reliability(confidence, accuracy, examples, edges)


def ece(
    probabilities: Probabilities, labels: Labels, *, bins: int = 15, binning: Binning = "width"
) -> Float[Array, ""]:
    r"""The expected calibration error: how far accuracy is from confidence, over bins.

    $$\sum_b \frac{n_b}{n} \, |\mathrm{acc}_b - \mathrm{conf}_b|$$

    It depends on the bins, and few examples in many bins raise it; compare at equal settings.

    Args:
      probabilities: floating-point, of shape (examples, classes): the mean over samples.
      labels: integers of shape (examples,).
      bins: how many.
      binning: `"width"` or `"mass"`, see `reliability`.

    Returns:
      A number in [0, 1], in at least float32.

    Raises:
      ValueError: as in `reliability`.
      TypeError: as in `accuracy`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> p = jnp.array([[0.75, 0.25], [0.75, 0.25], [0.0, 1.0], [0.0, 1.0]])
      >>> montecarlo.ece(p, jnp.array([0, 1, 1, 1]), bins=4).item()
      0.125

    References:
      Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015.
    """
    diagram = _bins(probabilities, labels, bins, binning)
    weights = diagram.examples.astype(diagram.edges.dtype) / jnp.size(labels)
    return (weights * abs(diagram.accuracy - diagram.confidence)).sum()
