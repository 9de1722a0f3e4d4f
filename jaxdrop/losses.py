"""Losses that dropout brings with it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxdrop import checks
from jaxdrop.probability import at_least_float32


def r_drop_loss(
    logits_a: Float[Array, "*batch classes"], logits_b: Float[Array, "*batch classes"]
) -> Float[Array, "*batch"]:
    r"""How far two passes under different dropout disagree: R-Drop's symmetric divergence.

    $$L = \tfrac12 \left( \mathrm{KL}(p_a \| p_b) + \mathrm{KL}(p_b \| p_a) \right)
    = \tfrac12 \sum_i (p_{a,i} - p_{b,i}) (\log p_{a,i} - \log p_{b,i})$$

    with `p` the softmax of the logits. The paper adds it, times alpha, to the mean of the two
    passes' cross-entropies. It is 0 for equal distributions, and gradients flow to both passes. A
    class whose logit is -inf in both passes adds nothing; in one alone, the divergence is infinite.

    Args:
      logits_a: floating-point, of shape (..., classes), from a pass with one key.
      logits_b: the same, from a pass with another key.

    Returns:
      One divergence an example, of shape (...), in the dtype of the logits.

    Raises:
      ValueError: logits of different shapes, or without a class axis.
      TypeError: logits that are not real floating-point numbers, or of different dtypes.

    Example:
      >>> import jax.numpy as jnp, jaxdrop
      >>> p, q = jnp.array([0.5, 0.5]), jnp.array([0.25, 0.75])
      >>> print(f"{jaxdrop.r_drop_loss(jnp.log(p), jnp.log(q)):.4f}")  # log(3) / 8
      0.1373

    References:
      Liang et al., R-Drop: Regularized Dropout for Neural Networks, 2021.
    """
    a, b = checks.check_real_data(logits_a), checks.check_real_data(logits_b)
    checks.check_alike("logits_a", a, "logits_b", b)
    checks.check_rank("logits", a, 1, "(..., classes)")
    wide = at_least_float32(a.dtype)
    absent = jnp.isneginf(a) & jnp.isneginf(b)
    low = jnp.finfo(wide).min / 2  # as good as -inf in a softmax, and its differences are no NaN
    log_a, log_b = (
        jax.nn.log_softmax(jnp.where(absent, low, logits.astype(wide))) for logits in (a, b)
    )
    gap = jnp.where(absent, 0, log_a - log_b)
    return (0.5 * ((jnp.exp(log_a) - jnp.exp(log_b)) * gap).sum(-1)).astype(a.dtype)
