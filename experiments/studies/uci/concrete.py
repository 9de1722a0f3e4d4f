"""The network whose rates are learned, one for each layer, beside its weights."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.studies.uci import network
from experiments.studies.uci.network import Network, Numbers, Params


class Concrete(NamedTuple):
    """Weights, and log(p / (1 - p)) of each layer's rate p."""

    layers: Params
    logits: Float[Array, " layers"]


def init(key: Key[Array, ""], sizes: tuple[int, ...], rate: Array) -> Concrete:
    """Weights as without learned rates; all rates begin at the one given."""
    layers = network.init(key, sizes, rate)
    return Concrete(layers, jnp.full(len(layers), jax.scipy.special.logit(rate)))


def predict(params: Concrete, x: Array, rate: Array, key: Key[Array, ""]) -> Float[Array, " n"]:
    """One pass; the rate stands in the parameters."""
    del rate
    for layer, (kernel, bias) in enumerate(params.layers):
        own, x = jax.random.fold_in(key, layer), jax.nn.relu(x) if layer else x
        x = jaxdrop.concrete_dropout(own, x, params.logits[layer]) @ kernel + bias[None]
    return x[:, 0]


def penalty(params: Concrete, numbers: Numbers) -> Float[Array, ""]:
    """Of each layer what its weights and its certainty cost."""
    costs = [
        jaxdrop.concrete_regularizer(
            logit, kernel, input_dim=len(kernel),
            weight_regularizer=numbers.decay, dropout_regularizer=numbers.entropy,
        )
        for logit, (kernel, _) in zip(params.logits, params.layers, strict=True)
    ]  # fmt: skip
    return jnp.stack(costs).sum()


CONCRETE = Network(init, predict, penalty)
