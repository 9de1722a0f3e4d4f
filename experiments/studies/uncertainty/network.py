"""The networks: dropout behind each hidden layer, a loss for classes and one for numbers."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.models import layers
from experiments.models.layers import Layers, forward
from experiments.training.fit import Batch

Rate = Float[Array, ""]


def init(key: Key[Array, ""], sizes: tuple[int, ...], rate: Rate) -> Layers:
    """He's initial weights."""
    del rate
    return layers.init(jax.nn.initializers.he_uniform(), key, sizes)


def predict(
    params: Layers, x: Array, rate: Rate, key: Key[Array, ""] | None = None, tied: bool = False
) -> Float[Array, "n outputs"]:
    """One pass, with dropout if there is a key.

    Tied masks are the same for all rows: then one key stands for one function.
    """

    def drop(layer: int, x: Array) -> Array:
        if key is None or layer == 0:
            return x
        own = jax.random.fold_in(key, layer)
        return jaxdrop.dropout(own, x, rate, broadcast_dims=(0,) if tied else ())

    return forward(params, x, drop)


def cross_entropy(
    params: Layers, rate: Rate, batch: Batch, key: Key[Array, ""]
) -> Float[Array, ""]:
    """For classes."""
    logits = predict(params, batch.x, rate, key)
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()


def squared_error(
    params: Layers, rate: Rate, batch: Batch, key: Key[Array, ""]
) -> Float[Array, ""]:
    """For numbers."""
    return jnp.square(predict(params, batch.x, rate, key)[:, 0] - batch.y).mean()
