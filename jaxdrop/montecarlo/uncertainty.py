"""What samples say together: a prediction, and how sure it is, in its two parts."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxdrop import checks
from jaxdrop.montecarlo import means, predictions


class Classification(NamedTuple):
    """The decomposition of predictive uncertainty; entropies in nats."""

    mean: Float[Array, "*batch classes"]
    predictive_entropy: Float[Array, "*batch"]
    expected_entropy: Float[Array, "*batch"]
    mutual_information: Float[Array, "*batch"]
    variation_ratio: Float[Array, "*batch"]


class Regression(NamedTuple):
    """Variances by where they come from, and the log-likelihood where targets were given."""

    mean: Float[Array, "*batch"]
    epistemic: Float[Array, "*batch"]
    aleatoric: Float[Array, "*batch"]
    total: Float[Array, "*batch"]
    log_likelihood: Float[Array, "*batch"] | None


def classification(samples: Float[ArrayLike, "samples *batch classes"]) -> Classification:
    r"""Splits the uncertainty of a classifier into that of the data and that of the model.

    $$H\Big[\frac{1}{T} \sum_t p_t\Big] = \frac{1}{T} \sum_t H[p_t] + I, \qquad H[p] = -\sum_c p_c
    \log p_c, \qquad v = 1 - \frac{\max_c \#\{t : \arg\max p_t = c\}}{T}$$

    The left side is the predictive entropy, the mean on the right the expected entropy (of the
    data, no samples more will lower it), and the mutual information `I` is the disagreement of the
    samples (of the model). `0 log 0` is 0, in gradients too, and `I` is never below 0.

    Args:
      samples: probabilities, floating-point, of shape (samples, ..., classes).

    Returns:
      `Classification`: `mean` probabilities of shape (..., classes), and of shape (...)
      `predictive_entropy`, `expected_entropy`, `mutual_information`, and `variation_ratio`, the
      share of samples that do not vote for the class with most votes (the first class of a sample
      wins a tie). In float32 or, where the samples have more digits, their dtype.

    Raises:
      ValueError: less than two samples, no axis of classes, NaN, probabilities outside [0, 1] or
        that do not sum to 1. Traced ones cannot be checked.
      TypeError: samples that are not real floating-point numbers.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> unsure = jnp.array([[0.5, 0.5], [0.5, 0.5]])  # each sample is
      >>> torn = jnp.array([[1.0, 0.0], [0.0, 1.0]])  # the samples disagree
      >>> found = montecarlo.classification(jnp.stack([unsure, torn], axis=1))
      >>> found.predictive_entropy.round(2).tolist(), found.mutual_information.round(2).tolist()
      ([0.6899999976158142, 0.6899999976158142], [0.0, 0.6899999976158142])

    References:
      Houlsby et al., Bayesian Active Learning for Classification and Preference Learning, 2011;
      Gal, Uncertainty in Deep Learning, 2016.
    """
    given = checks.check_real_data(samples)
    samples = predictions.check_sampled("samples", given, 2, "(samples, ..., classes)")
    predictions.check_probabilities("samples", given)
    mean = means.mean(samples)
    predictive, expected = _entropy(mean), means.mean(_entropy(samples))
    votes = jax.nn.one_hot(samples.argmax(-1), samples.shape[-1], dtype=jnp.bool_)
    information = jnp.maximum(predictive - expected, 0)
    ratio = 1 - means.share(votes, samples.dtype).max(-1)
    return Classification(mean, predictive, expected, information, ratio)


def _entropy(p: Array) -> Array:
    return -(p * jnp.log(jnp.where(p > 0, p, jnp.ones_like(p)))).sum(-1)


def regression(
    samples: Float[ArrayLike, "samples *batch"],
    precision: ArrayLike,
    targets: Float[ArrayLike, "*batch"] | None = None,
) -> Regression:
    r"""Mean, variances by their origin, and log-likelihood of a regression's samples.

    $$\mathrm{Var}[y] = \frac{1}{T} \sum_t (f_t - \bar f)^2 + \frac{1}{\tau}, \qquad
    \log p(y) = \log \frac{1}{T} \sum_t \sqrt{\frac{\tau}{2\pi}} \, e^{-\tau (y - f_t)^2 / 2}$$

    with the precision `τ` of the noise. The first part is the model's (epistemic), the second the
    data's (aleatoric). The likelihood is that of the mixture over samples, not of a normal
    distribution with its variance; it is summed by log-sum-exp, so far targets do not end at -inf.

    Args:
      samples: predictions, floating-point, of shape (samples, ...).
      precision: the inverse variance of the noise, above 0, in the unit of the samples: a number,
        or an array that broadcasts to the samples. Where it differs between samples, as in models
        that predict it, the aleatoric variance is the mean of `1 / precision`. A traced one cannot
        be checked.
      targets: true values, of shape (...).

    Returns:
      `Regression`: `mean`, `epistemic`, `aleatoric`, `total` (their sum) and `log_likelihood` (of
      each target; None without targets), all of shape (...). In float32 or, where the samples have
      more digits, their dtype.

    Raises:
      ValueError: less than two samples, NaN, a precision of 0 or less or of a shape that does not
        broadcast, targets of another shape.
      TypeError: samples or targets that are not real floating-point numbers.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxdrop import montecarlo
      >>> found = montecarlo.regression(jnp.array([[1.0], [3.0]]), 0.5, jnp.array([2.0]))
      >>> found.mean.tolist(), found.epistemic.tolist(), found.total.tolist()
      ([2.0], [1.0], [3.0])
      >>> round(float(found.log_likelihood[0]), 4)
      -1.5155

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.
    """
    samples = predictions.check_sampled("samples", samples, 1, "(samples, ...)")
    precision = predictions.check_precision(precision, samples.shape)
    precision = jnp.broadcast_to(precision.astype(samples.dtype), samples.shape)
    (mean, epistemic), aleatoric = means.mean_and_variance(samples), means.mean(1 / precision)
    likelihood = None if targets is None else _log_likelihood(samples, precision, targets)
    return Regression(mean, epistemic, aleatoric, epistemic + aleatoric, likelihood)


def _log_likelihood(samples: Array, precision: Array, targets: ArrayLike) -> Array:
    targets = predictions.check_targets(targets, samples.shape[1:]).astype(samples.dtype)
    squares = precision * jnp.square(targets[None] - samples)
    terms = (jnp.log(precision) - jnp.log(2 * jnp.pi) - squares) / 2
    return means.log_mean_exp(terms)
