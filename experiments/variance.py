"""How far dropout shifts the variance that batch norm relies on: a probe."""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Key

from experiments.data import Dataset
from experiments.measuring import MEASURED_AT_ONCE
from experiments.models import Drop
from experiments.models.images import Norm
from experiments.plan import Trained


def variance_ratio(trained: Trained, data: Dataset, key: Key[Array, ""]) -> dict[str, Array]:
    """Variance with dropout off over the variance learnt with it on, the mean over channels.

    The one is that of each norm's input, on the training images and with the network as it is
    tested; the other is its running variance. Both are taken as the norm takes them, with its
    epsilon added. Dropout before a norm makes the ratio smaller than 1; without dropout it is near
    1, for the running variance lags. The mean over the norms is returned.

    References:
      Li et al., Understanding the Disharmony between Dropout and Batch Normalization by Variance
      Shift, 2019.

    """
    del key
    images, at_once = jnp.asarray(data.x_train), min(len(data.x_train), MEASURED_AT_ONCE)
    mean, square = lax.map(lambda x: _moments(trained, x), images, batch_size=at_once)
    model = trained.architecture.bind(trained.params, trained.rest)
    ratios = [_ratio(*found) for found in zip(_norms(model), mean, square, strict=True)]
    return {"variance_ratio": jnp.stack(ratios).mean()}


def _moments(trained: Trained, x: Array) -> tuple[list[Array], list[Array]]:
    """Of one image: the mean and mean square of each channel, before each norm."""
    model, seen = trained.architecture.bind(trained.params, trained.rest), {}
    norms = _norms(model)
    for norm in norms:
        norm.watch = partial(seen.__setitem__, norm)
    model(x, Drop(trained.architecture.sites))
    inputs = [seen[norm] for norm in norms]
    return [x.mean((0, 1, 2)) for x in inputs], [(x**2).mean((0, 1, 2)) for x in inputs]


def _norms(model: nnx.Module) -> list[Norm]:
    """Those that are on."""
    modules = (module for _, module in nnx.iter_modules(model))
    return [module for module in modules if isinstance(module, Norm) and module.norm is not None]


def _ratio(
    norm: Norm, mean: Float[Array, "images channels"], square: Float[Array, "images channels"]
) -> Float[Array, ""]:
    assert norm.norm is not None, "those are left out"
    variance, epsilon = square.mean(0) - mean.mean(0) ** 2, norm.norm.epsilon
    return jnp.mean((variance + epsilon) / (norm.norm.var[...] + epsilon))
