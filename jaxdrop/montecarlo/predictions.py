"""What the measures ask of samples, probabilities, labels and scores."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxdrop import checks
from jaxdrop.probability import widen

_SLACK = 3e-4  # rounding of a softmax in float32 over many classes; more in narrower types


def check_sampled(name: str, samples: ArrayLike, rank: int, axes: str) -> Array:
    """Takes two samples or more, along the first axis."""
    samples = checks.check_real_data(samples)
    checks.check_rank(name, samples, rank, axes)
    if len(samples) < 2:
        raise ValueError(
            f"Expected 2 {name} or more along the first axis; got {len(samples)}. One sample says "
            "nothing about spread: draw more with montecarlo.sample."
        )
    check_no_nan(name, samples)
    return widen(samples)


def check_no_nan(name: str, x: Array) -> None:
    """Takes data without NaN, where they can be read."""
    if not isinstance(x, Tracer) and bool(jnp.isnan(x).any()):
        count = int(jnp.isnan(x).sum())
        raise ValueError(
            f"Expected {name} without NaN; got {count} NaN among {x.size} numbers. Find where they "
            "come from, for instance with jax.config.update('jax_debug_nans', True)."
        )


def check_probabilities(name: str, probabilities: Array) -> None:
    """Takes probabilities over the last axis, where they can be read."""
    if isinstance(probabilities, Tracer):
        return
    check_no_nan(name, probabilities)
    slack = max(_SLACK, float(np.sqrt(float(jnp.finfo(probabilities.dtype).eps))))
    values = np.asarray(probabilities, np.float64)
    fix = "Pass probabilities, not logits: jax.nn.softmax(logits)."
    outside = values[(values < 0) | (values > 1 + slack)]
    if outside.size:
        raise ValueError(f"Expected {name} in [0, 1]; got {outside.flat[0]:g}. {fix}")
    totals = values.sum(-1)
    wrong = totals[abs(totals - 1) > slack]
    if wrong.size:
        raise ValueError(
            f"Expected {name} that sum to 1 over the last axis; got a sum of {wrong.flat[0]:g}. "
            f"{fix}"
        )


def check_classified(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Takes probabilities of shape (examples, classes) and a label for each example."""
    probabilities = checks.check_real_data(probabilities)
    if probabilities.ndim != 2 or not probabilities.size:
        raise ValueError(
            "Expected probabilities of shape (examples, classes), none of them 0; got shape "
            f"{probabilities.shape}. Take the mean over samples first."
        )
    check_probabilities("probabilities", probabilities)
    return widen(probabilities), _check_labels(labels, probabilities)


def _check_labels(labels: ArrayLike, probabilities: Array) -> Array:
    labels = checks.as_array(labels, "integer labels", "Pass an array.")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(
            f"Expected integer labels; got {labels.dtype}. Of one-hot rows, take argmax(-1)."
        )
    _check_shape("labels", labels, "a label for each example", probabilities.shape[:1])
    if not isinstance(labels, Tracer):
        classes = probabilities.shape[1]
        wrong = np.asarray(labels)[(np.asarray(labels) < 0) | (np.asarray(labels) >= classes)]
        if wrong.size:
            raise ValueError(
                f"Expected labels from 0 to {classes - 1}; got {wrong[0]}. Number classes from 0."
            )
    return labels.astype(jnp.int32)  # narrower ones may not hold the number of classes


def _check_shape(name: str, x: Array, wanted: str, shape: tuple[int, ...]) -> None:
    if x.shape != shape:
        raise ValueError(f"Expected {name} of shape {shape}, {wanted}; got shape {x.shape}.")


def check_scores(name: str, scores: ArrayLike, examples: int | None = None) -> Array:
    """Takes one real number for each example."""
    scores = checks.check_real_data(scores)
    wanted = (scores.size if examples is None else examples,)
    _check_shape(name, scores, "one number for each example", wanted)
    if not scores.size:
        raise ValueError(f"Expected {name} of one example or more; got none.")
    check_no_nan(name, scores)
    return widen(scores)


def check_flags(name: str, flags: ArrayLike, examples: int) -> Array:
    """Takes a bool for each example, both of them present where that can be read."""
    flags = checks.as_array(flags, f"bool {name}", "Pass an array.")
    if flags.dtype != jnp.bool_:
        raise TypeError(
            f"Expected bool {name}; got {flags.dtype}. Compare, for instance with labels == 1."
        )
    _check_shape(name, flags, "one bool for each example", (examples,))
    if not isinstance(flags, Tracer) and bool(flags.all() | ~flags.any()):
        raise ValueError(
            f"Expected both True and False in {name}; got {bool(flags[0])} alone. There is nothing "
            "to tell apart."
        )
    return flags


def check_precision(precision: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Takes precisions above 0 that broadcast to the samples."""
    wanted, fix = "above 0 and finite", "It is the inverse of the variance of the noise."
    checks.check_number("precision", precision, shape, wanted, checks.is_positive, fix)
    return jnp.asarray(precision)


def check_targets(targets: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Takes a target for each prediction."""
    targets = checks.check_real_data(targets)
    _check_shape("targets", targets, "a target for each prediction", shape)
    check_no_nan("targets", targets)
    return targets
