"""The modules: each is an operator, and what differs from the common way of calling one."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Inexact, PyTree

import jaxdrop
from jaxdrop.flax_shared import known_rate
from jaxdrop.nnx.base import DropModule, DropRate, DropSite, KeySource, Streams
from jaxdrop.noise import check_noise_rate, check_stddev


class Dropout(DropModule, operator=jaxdrop.dropout, options=("broadcast_dims", "bits")):
    r"""`jaxdrop.dropout` as a Flax NNX module, in the place of `flax.nnx.Dropout`.

    $$y_i = m_i \, x_i / q, \qquad m_i \sim \mathrm{Bernoulli}(q), \qquad q = 1 - rate$$

    in training; the inputs themselves if deterministic. Names, arguments and random streams are
    Flax's; with `bits=32` so are the mask and, in float32, the output to the bit. A rate that is
    known to be 0 or 1 does not advance the stream.

    Args:
      rate: the probability to drop: a number, or an array that broadcasts to the inputs.
      broadcast_dims: the axes along which elements share their fate.
      deterministic: True passes the inputs through; None leaves it to the call.
      rng_collection: the stream that is taken from `nnx.Rngs`.
      rngs: streams or one stream; the module forks its own from it.
      bits: 8, 16 or 32, see `jaxdrop.dropout`.

    Raises:
      ValueError: a rate outside [0, 1], or another number of bits.
      TypeError: no number as rate, or `rngs` of another kind.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import Dropout
      >>> class Block(nnx.Module):
      ...     def __init__(self, rngs):
      ...         self.linear = nnx.Linear(3, 4, rngs=rngs)
      ...         self.dropout = Dropout(0.5, rngs=rngs)
      ...
      ...     def __call__(self, x):
      ...         return self.dropout(self.linear(x))
      >>> model, x = Block(nnx.Rngs(0)), jnp.ones((2, 3))
      >>> bool((model(x) == 0).any())
      True
      >>> model.eval()
      >>> bool((model(x) == model.linear(x)).all())
      True

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.
    """

    def __init__(
        self,
        rate: ArrayLike | DropRate,
        *,
        broadcast_dims: Sequence[int] = (),
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: Streams | None = None,
        bits: int = 16,
    ) -> None:
        """Takes what Flax's does, and `bits`."""
        super().__init__(
            rate,
            deterministic=deterministic,
            rng_collection=rng_collection,
            rngs=rngs,
            broadcast_dims=broadcast_dims,
            bits=bits,
        )


class SpatialDropout(DropModule, operator=jaxdrop.spatial_dropout):
    """`jaxdrop.spatial_dropout` as a module: whole feature maps."""


class AlphaDropout(DropModule, operator=jaxdrop.alpha_dropout):
    """`jaxdrop.alpha_dropout` as a module: for SELU, whose mean and variance stay."""


class FeatureAlphaDropout(DropModule, operator=jaxdrop.feature_alpha_dropout):
    """`jaxdrop.feature_alpha_dropout` as a module: whole feature maps, for SELU."""


class AttentionDropout(DropModule, operator=jaxdrop.attention_dropout):
    """`jaxdrop.attention_dropout` as a module: attention weights, each alone."""


class ExactDropout(DropModule, operator=jaxdrop.exact_dropout):
    """`jaxdrop.exact_dropout` as a module: exactly so many along an axis."""


class TargetedDropout(DropModule, operator=jaxdrop.targeted_dropout):
    """`jaxdrop.targeted_dropout` as a module: among the entries of least magnitude."""


class DropPath(DropModule, operator=jaxdrop.drop_path):
    """`jaxdrop.drop_path` as a module: whole residual branches (stochastic depth)."""


class DropBlock(DropModule, operator=jaxdrop.drop_block):
    """`jaxdrop.drop_block` as a module: contiguous blocks of feature maps."""


class TokenDropout(DropModule, operator=jaxdrop.token_dropout):
    """`jaxdrop.token_dropout` as a module: whole tokens or patches, masked or removed."""


class LockedDropout(DropModule, operator=jaxdrop.locked_dropout):
    """`jaxdrop.locked_dropout` as a module: one mask for all times of a sequence."""


class EmbeddingDropout(DropModule, operator=jaxdrop.embedding_dropout):
    """`jaxdrop.embedding_dropout` as a module that is called on the table: whole words."""


class GaussianDropout(
    DropModule, operator=jaxdrop.gaussian_dropout, check=check_noise_rate, certain=(0.0,)
):
    """`jaxdrop.gaussian_dropout` as a module: multiplied noise. Rate 1 is refused."""


class GaussianNoise(DropSite, operator=jaxdrop.gaussian_noise, check=check_stddev, certain=(0.0,)):
    """`jaxdrop.gaussian_noise` as a module: added noise. In the place of a rate it has `stddev`.

    It is held as `rate`, as what the other modules do is, and may be an array or traced.
    """

    def __init__(self, stddev: ArrayLike | DropRate, **options: Any) -> None:
        """Takes `broadcast_dims`, and what every module takes."""
        super().__init__(stddev, **options)

    def __call__(
        self,
        inputs: Float[Array, "*shape"],
        *,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        stddev: ArrayLike | nnx.Variable | None = None,
    ) -> Float[Array, "*shape"]:
        """Adds noise, unless deterministic; a `stddev` passed here precedes the constructor's."""
        return self._call(inputs, stddev, deterministic, rngs)


class Zoneout(DropSite, operator=jaxdrop.zoneout):
    """`jaxdrop.zoneout` as a module, called on the previous and the new state of a step.

    Deterministic, it gives the expectation, `jaxdrop.zoneout_inference`, as the paper does.
    """

    def __call__(
        self,
        previous: Inexact[Array, "*shape"],
        new: Inexact[Array, "*shape"],
        *,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        rate: ArrayLike | nnx.Variable | None = None,
    ) -> Inexact[Array, "*shape"]:
        """Keeps units as they were, at random; their expected mixture, if deterministic."""
        if self._is_deterministic(deterministic):
            return jaxdrop.zoneout_inference(previous, new, self._read(rate))
        key = self._key(self._known(rate), rngs)
        return self._operation.run(self, key, previous, new, self._read(rate))


class ConcreteDropout(DropSite, operator=jaxdrop.concrete_dropout):
    """`jaxdrop.concrete_dropout` as a module: its rate is learned, as `logit`, a `nnx.Param`.

    Add `regularizer` to the loss, or the rate falls to 0.

    Args:
      rate: where the rate begins, inside (0, 1): a number, or an array that broadcasts to the
        inputs.
      **options: those of the function, and what all modules have, see `DropModule`.

    Raises:
      ValueError: a rate outside (0, 1).

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import ConcreteDropout
      >>> layer = ConcreteDropout(0.1, rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((2, 3))).shape, [path for path, _ in nnx.to_flat_state(nnx.state(
      ...     layer, nnx.Param))]
      ((2, 3), [('logit',)])

    References:
      Gal, Hron and Kendall, Concrete Dropout, 2017.
    """

    def __init__(self, rate: ArrayLike = 0.1, **options: Any) -> None:
        """Turns the rate into the logit that is trained."""
        known_rate(rate)
        start = jnp.asarray(rate, jnp.float32)
        if not isinstance(start, Tracer) and not ((start > 0) & (start < 1)).all():
            raise ValueError(
                f"Expected a rate inside (0, 1) to begin with; got {rate}. "
                "At 0 and 1 its logit has no gradient."
            )
        super().__init__(0.0, **options)
        self.logit = nnx.Param(jnp.log(start) - jnp.log1p(-start))

    def __call__(
        self,
        inputs: Float[Array, "*shape"],
        *,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
    ) -> Float[Array, "*shape"]:
        """Drops softly, unless deterministic; gradients reach the logit."""
        if self._is_deterministic(deterministic):
            return inputs
        return self._operation.run(self, self._key(None, rngs), inputs, self.logit[...])

    def learned_rate(self) -> Float[Array, "..."]:
        """The rate as it stands."""
        return jax.nn.sigmoid(self.logit[...])

    def regularizer(
        self, weights: PyTree[Float[Array, "..."]], *, input_dim: int, **factors: ArrayLike
    ) -> Float[Array, ""]:
        """`jaxdrop.concrete_regularizer` at the learned rate, for the weights of the next layer.

        The factors are `weight_regularizer` and `dropout_regularizer`.
        """
        logit = self.logit[...]
        return jaxdrop.concrete_regularizer(logit, weights, input_dim=input_dim, **factors)
