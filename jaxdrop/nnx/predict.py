"""A Flax NNX model as a function of a key: dropout on, everything else as at test time."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key, PyTree, Shaped

from jaxdrop import checks
from jaxdrop.montecarlo.sampling import Predict, one_by_one

_CALL = 2**31  # of the streams that a call is passed; those of the model are counted from 0


def predict(
    model: nnx.Module,
    x: PyTree[Shaped[Array, "batch ..."]],
    *others: Any,
    shared_masks: bool = False,
    **call: Any,
) -> Predict:
    r"""Turns a model and its inputs into a function of a key, which predicts with dropout on.

    $$f(k) = \mathrm{model}(x; m), \qquad m \sim p(m \mid k)$$

    with masks `m`: what `jaxdrop.montecarlo.sample` and `moments` take. Every module that has
    `deterministic` drops, whatever its mode was: all of `flax.nnx.Dropout` and of `jaxdrop.nnx`,
    and attention. Batch norm uses its running averages. It is a copy that runs, as the model is
    now, so the model keeps its modes, its statistics and its random streams. Each stream of the
    copy gets a key of its own from `k`; sites without a stream get one, and a model whose call
    takes `rngs` is passed them.

    Args:
      model: the model.
      x: its first argument: an array, or a pytree of them.
      *others: further arguments of the model; with `shared_masks` they are the same for all inputs.
      shared_masks: under one key, drop the same for all inputs: a coherent draw of one function, in
        which inputs can be compared. The model then sees inputs one by one, each as a batch of one
        (an axis of 1 before all others). Otherwise it sees them as they are, and each has masks of
        its own, as in training. (Flax's attention shares its masks over the batch.)
      **call: further arguments of the model by name, likewise.

    Returns:
      A function of one key that returns what the model returns.

    Raises:
      TypeError: no NNX model, or `rngs` among the arguments: streams that would repeat.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop.nnx
      >>> from flax import nnx
      >>> from jaxdrop import montecarlo
      >>> rngs = nnx.Rngs(0)
      >>> model = nnx.Sequential(jaxdrop.nnx.Dropout(0.5, rngs=rngs), nnx.Linear(3, 2, rngs=rngs))
      >>> model.eval()
      >>> @nnx.jit  # compiles once, whatever the weights become
      ... def spread(key, model, x):
      ...     return montecarlo.sample(key, jaxdrop.nnx.predict(model, x), 100).std(0)
      >>> bool((spread(jax.random.key(0), model, jnp.ones((4, 3))) > 0).all())
      True

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.
    """
    _check(model, call)
    graph, state = nnx.split(_dropping(model))

    def of_key(key: Key[Array, ""]) -> PyTree[Array]:
        key = checks.as_key(key)

        def of_inputs(x: PyTree[Array]) -> PyTree[Array]:
            own = jax.tree.map(lambda leaf: leaf, state)  # variables of this trace, free to change
            copy = nnx.merge(graph, own)
            _reseed(copy, key)
            return copy(x, *others, **{**call, **_rngs(copy, key)})

        return one_by_one(of_inputs, x) if shared_masks else of_inputs(x)

    return of_key


def _check(model: nnx.Module, call: dict[str, Any]) -> None:
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"Expected an nnx.Module as model; got {model!r}. For a Linen module use "
            "jaxdrop.linen.predict."
        )
    if call.get("rngs") is not None:
        raise TypeError(
            f"Expected no rngs, which would repeat at each key; got {call['rngs']!r}. Leave them "
            "out: they are made from the key."
        )


def _dropping(model: nnx.Module) -> nnx.Module:
    """A copy with dropout on, in evaluation mode otherwise, and a stream at every site."""
    model = nnx.clone(model)
    model.eval()
    model.set_attributes(deterministic=False, raise_if_not_found=False)
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.Dropout | nnx.MultiHeadAttention) and module.rngs is None:
            module.rngs = nnx.data(nnx.RngStream(jax.random.key(0), tag="dropout"))
    return model


def _reseed(model: nnx.Module, key: Key[Array, ""]) -> None:
    """Starts every stream anew, each with a key of its own: they may share a name."""
    streams = [node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.RngStream)]
    for index, stream in enumerate(streams):
        own, shape = jax.random.fold_in(key, index), stream.key.shape
        stream.key.set_value(jax.random.split(own, shape) if shape else own)
        stream.count.set_value(jnp.zeros(shape, jnp.uint32))


def _rngs(model: Any, key: Key[Array, ""]) -> dict[str, nnx.Rngs]:
    """Streams for a call that takes them."""
    takes = "rngs" in inspect.signature(model).parameters
    return {"rngs": nnx.Rngs(jax.random.fold_in(key, _CALL))} if takes else {}
