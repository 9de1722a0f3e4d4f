"""The modules on activations: each is an operator and its options."""

from dataclasses import field

from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

import jaxdrop
from jaxdrop.linen.base import DropModule, DropSite
from jaxdrop.noise import check_noise_rate, check_stddev


class Dropout(DropModule, operator=jaxdrop.dropout, options=("broadcast_dims", "bits")):
    r"""`jaxdrop.dropout` as a Flax Linen module, in the place of `flax.linen.Dropout`.

    $$y_i = m_i \, x_i / q, \qquad m_i \sim \mathrm{Bernoulli}(q), \qquad q = 1 - rate$$

    in training; the inputs themselves if deterministic. Names, arguments and random streams are
    Flax's; with `bits=32` so are the mask and, in float32, the output to the bit. A rate that is
    known to be 0 or 1 asks for no key.

    Attributes:
      rate: the probability to drop: a number, or an array that broadcasts to the inputs. It is
        never a variable.
      broadcast_dims: see `jaxdrop.dropout`, and for `bits`; for the others see `DropModule`.

    Raises:
      ValueError: a rate outside [0, 1], or another number of bits.
      TypeError: no number as rate.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from jaxdrop.linen import Dropout
      >>> class Block(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         return Dropout(0.5, deterministic=not train)(nn.Dense(4)(x))
      >>> model, x = Block(), jnp.ones((2, 3))
      >>> variables = model.init(jax.random.key(0), x, train=False)
      >>> y = model.apply(variables, x, train=True, rngs={"dropout": jax.random.key(1)})
      >>> bool((y == 0).any())
      True

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.
    """


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


class LockedDropout(DropModule, operator=jaxdrop.locked_dropout):
    """`jaxdrop.locked_dropout` as a module: one mask for all times of a sequence."""


class TokenDropout(DropModule, operator=jaxdrop.token_dropout):
    """`jaxdrop.token_dropout` as a module: whole tokens or patches, masked or removed."""


class GaussianDropout(
    DropModule, operator=jaxdrop.gaussian_dropout, check=check_noise_rate, certain=(0.0,)
):
    """`jaxdrop.gaussian_dropout` as a module: multiplied noise. Rate 1 is refused."""


class GaussianNoise(DropSite, operator=jaxdrop.gaussian_noise, check=check_stddev, certain=(0.0,)):
    """`jaxdrop.gaussian_noise` as a module: added noise, of `stddev` in the place of a rate.

    Held as `rate`, as what the other modules do is: `GaussianNoise(0.1)` is
    `GaussianNoise(stddev=0.1)`.
    """

    rate: ArrayLike | None = None
    stddev: ArrayLike | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Finds the one that was given."""
        given = [value for value in (self.rate, self.stddev) if value is not None]
        if len(given) != 1:
            raise TypeError(f"Expected one stddev; got {given or None}.")
        self.rate, self.stddev = given[0], None  # so that a clone is given one too
        super().__post_init__()

    def __call__(
        self,
        inputs: Inexact[Array, "*shape"],
        deterministic: bool | None = None,
        rng: Key[Array, ""] | None = None,
        *,
        stddev: ArrayLike | None = None,
    ) -> Inexact[Array, "..."]:
        """Adds noise, unless deterministic; a `stddev` passed here precedes the attribute."""
        return self._call(inputs, deterministic, rng, stddev)
