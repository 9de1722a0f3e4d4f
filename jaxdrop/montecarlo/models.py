"""Flax models as functions of a key: dropout on, everything else as at test time.

Flax is loaded when one of these is called, and not before. Of the Linen module only the classes are
needed, so that nothing in a model has to be written for it.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Key, PyTree, Shaped

from jaxdrop.montecarlo.sampling import Predict, sample

if TYPE_CHECKING:
    from flax import linen, nnx

Batch = PyTree[Shaped[Array, "batch ..."]]


def sample_nnx(
    model: "nnx.Module",
    x: Batch,
    key: Key[Array, ""],
    num_samples: int,
    *,
    shared_masks: bool = False,
    chunk: int | None = None,
    mesh: Mesh | None = None,
    **call: Any,
) -> PyTree[Shaped[Array, "samples batch ..."]]:
    r"""Draws predictions of a Flax NNX model with dropout on, the rest in evaluation mode.

    $$y_t = f(x; m_t), \qquad m_t \sim p(m), \qquad t = 0, \dots, T - 1$$

    with masks `m`. Every module that has `deterministic` drops, whatever its mode was: all of
    `flax.nnx.Dropout` and of `jaxdrop.nnx`, and attention. Batch norm uses its running averages. It
    is a copy that runs, so the model keeps its modes, its statistics and its random streams. Each
    stream of the copy gets a key from the sample's; sites without a stream get one, and a model
    whose call takes `rngs` is passed them.

    Args:
      model: the model. It is compiled once for each graph and shapes, whatever its weights are.
      x: its first argument: an array, or a pytree of them.
      key: one key, typed or legacy.
      num_samples: how many, 2 or more.
      shared_masks: in each sample, drop the same for all inputs: a coherent draw of one function,
        in which inputs can be compared. The model then sees inputs one by one, each as a batch of
        one (an axis of 1 before all others). Otherwise it sees them as they are, and each has
        masks of its own, as in training. (Flax's attention shares its masks over the batch.)
      chunk: how many samples are computed at once, where memory is short; None takes all.
      mesh: shares the samples out over all devices of this mesh.
      **call: further arguments of the model; with `shared_masks` they are the same for all inputs.

    Returns:
      What the model returns, with a first axis of `num_samples`.

    Raises:
      ValueError: samples that are all equal because no dropout is active, less than two of them,
        or several keys.
      TypeError: no key, or `rngs` among the arguments: streams that would repeat in each sample.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop import montecarlo
      >>> from jaxdrop.nnx import Dropout
      >>> rngs = nnx.Rngs(0)
      >>> model = nnx.Sequential(Dropout(0.5, rngs=rngs), nnx.Linear(3, 2, rngs=rngs))
      >>> model.eval()
      >>> samples = montecarlo.sample_nnx(model, jnp.ones((4, 3)), jax.random.key(0), 100)
      >>> samples.shape, bool((samples.std(0) > 0).all())
      ((100, 4, 2), True)

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.

    """
    fn = predict_nnx(model, x, shared_masks=shared_masks, **call)
    return sample(key, fn, num_samples, chunk=chunk, mesh=mesh)


def predict_nnx(
    model: "nnx.Module", x: Batch, *, shared_masks: bool = False, **call: Any
) -> Predict:
    """The function of a key that `sample_nnx` samples; for `sample` and `moments`."""
    from flax import nnx

    if call.get("rngs") is not None:
        raise TypeError(
            f"Expected no rngs, which would repeat in each sample; got {call['rngs']!r}. They are "
            "made from the sample's key."
        )
    graph, state = nnx.split(_dropping(model))
    arrays, fixed = _take_apart(call)
    return _bind(_call_nnx, (graph, shared_masks, fixed), state, arrays, x)


def _dropping(model: "nnx.Module") -> "nnx.Module":
    """A copy with dropout on, in evaluation mode otherwise, and a stream at every site."""
    from flax import nnx

    model = nnx.clone(model)
    model.eval()
    model.set_attributes(deterministic=False, raise_if_not_found=False)
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.Dropout | nnx.MultiHeadAttention) and module.rngs is None:
            module.rngs = nnx.data(nnx.RngStream(jax.random.key(0), tag="dropout"))
    return model


def _call_nnx(
    static: "_Static", state: Any, arrays: list[Array], x: Batch, key: Key[Array, ""]
) -> PyTree[Array]:
    from flax import nnx

    graph, shared_masks, fixed = static.value

    def predict(x: Batch) -> PyTree[Array]:
        own = jax.tree.map(lambda leaf: leaf, state)  # variables of this trace, free to change
        model, call = nnx.merge(graph, own), _put_together(fixed, arrays)
        _reseed(model, key)
        if "rngs" in inspect.signature(model).parameters:
            call["rngs"] = nnx.Rngs(jax.random.fold_in(key, 2**31))
        return model(x, **call)

    return _one_by_one(predict, x) if shared_masks else predict(x)


def _reseed(model: "nnx.Module", key: Key[Array, ""]) -> None:
    """Starts every stream anew, each with a key of its own: they may share a name."""
    from flax import nnx

    streams = [node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.RngStream)]
    for index, stream in enumerate(streams):
        own, shape = jax.random.fold_in(key, index), stream.key.shape
        stream.key.set_value(jax.random.split(own, shape) if shape else own)
        stream.count.set_value(jnp.zeros(shape, jnp.uint32))


def sample_linen(
    module: "linen.Module",
    variables: PyTree[Array],
    x: Batch,
    key: Key[Array, ""],
    num_samples: int,
    *,
    shared_masks: bool = False,
    rng_collections: Sequence[str] = ("dropout",),
    chunk: int | None = None,
    mesh: Mesh | None = None,
    **call: Any,
) -> PyTree[Shaped[Array, "samples batch ..."]]:
    r"""Draws predictions of a Flax Linen module with dropout on, the rest in evaluation mode.

    $$y_t = f(x; m_t), \qquad m_t \sim p(m), \qquad t = 0, \dots, T - 1$$

    with masks `m`. All of `flax.linen.Dropout`, of `jaxdrop.linen` and of attention drops, and
    batch norm uses its running averages, whatever the module itself says: one flag `train` often
    stands for both, and either value of it works. Dropout that a module spells out by itself has
    only that flag, so pass the value that turns it on. No collection is mutable: what wants to
    write, for instance a batch norm of another kind, ends in Flax's own error.

    Args:
      module: the module.
      variables: what `init` returned: parameters, batch statistics.
      x: its first argument: an array, or a pytree of them.
      key: one key, typed or legacy.
      num_samples: how many, 2 or more.
      shared_masks: in each sample, drop the same for all inputs: a coherent draw of one function,
        in which inputs can be compared. The module then sees inputs one by one, each as a batch of
        one (an axis of 1 before all others). Otherwise it sees them as they are, and each has
        masks of its own, as in training. (Flax's attention shares its masks over the batch.)
      rng_collections: the names under which the module asks for keys.
      chunk: how many samples are computed at once, where memory is short; None takes all.
      mesh: shares the samples out over all devices of this mesh.
      **call: further arguments of the module, or `method`; with `shared_masks` they are the same
        for all inputs.

    Returns:
      What the module returns, with a first axis of `num_samples`.

    Raises:
      ValueError: samples that are all equal because no dropout is active, less than two of them,
        or several keys.
      TypeError: no key, or `rngs` or `mutable` among the arguments.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from jaxdrop import montecarlo
      >>> class Model(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x))
      ...         return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))
      >>> model, x = Model(), jnp.ones((4, 3))
      >>> variables = model.init(jax.random.key(0), x, train=False)
      >>> samples = montecarlo.sample_linen(
      ...     model, variables, x, jax.random.key(1), 100, train=False)
      >>> samples.shape, bool((samples.std(0) > 0).all())
      ((100, 4, 2), True)

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.

    """
    fn = predict_linen(
        module, variables, x, shared_masks=shared_masks, rng_collections=rng_collections, **call
    )
    return sample(key, fn, num_samples, chunk=chunk, mesh=mesh)


def predict_linen(
    module: "linen.Module",
    variables: PyTree[Array],
    x: Batch,
    *,
    shared_masks: bool = False,
    rng_collections: Sequence[str] = ("dropout",),
    **call: Any,
) -> Predict:
    """The function of a key that `sample_linen` samples; for `sample` and `moments`."""
    for name in ("rngs", "mutable"):
        if name in call:
            raise TypeError(
                f"Expected no {name} among the module's arguments; got {call[name]!r}. Keys come "
                "from the sample's, under the names in rng_collections, and nothing is mutable."
            )
    arrays, fixed = _take_apart(call)
    static = (module, tuple(rng_collections), shared_masks, fixed)
    return _bind(_call_linen, static, variables, arrays, x)


def _call_linen(
    static: "_Static", variables: Any, arrays: list[Array], x: Batch, key: Key[Array, ""]
) -> PyTree[Array]:
    from flax import linen

    module, collections, shared_masks, fixed = static.value
    rngs = {name: jax.random.fold_in(key, index) for index, name in enumerate(collections)}

    def predict(x: Batch) -> PyTree[Array]:
        with linen.intercept_methods(_force_modes):
            return module.apply(variables, x, rngs=rngs, **_put_together(fixed, arrays))

    return _one_by_one(predict, x) if shared_masks else predict(x)


def _force_modes(
    next_method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any
) -> Any:
    """Turns dropout on and batch norm to its averages, at constructor and call alike."""
    from flax import linen

    if context.method_name != "__call__":
        return next_method(*args, **kwargs)
    if isinstance(context.module, linen.BatchNorm):
        flag, value = "use_running_average", True
    elif isinstance(context.module, linen.Dropout | linen.MultiHeadDotProductAttention):
        flag, value = "deterministic", False
    else:
        return next_method(*args, **kwargs)
    bound = inspect.signature(next_method).bind(*args, **kwargs)  # of a class above, under super
    bound.arguments[flag] = None  # Flax takes the flag from one place alone
    with _attribute(context.module, flag, value):
        return next_method(*bound.args, **bound.kwargs)


@contextmanager
def _attribute(module: Any, name: str, value: bool) -> Iterator[None]:
    """Sets it on a frozen module, for as long as this lasts."""
    before = getattr(module, name)
    object.__setattr__(module, name, value)
    try:
        yield
    finally:
        object.__setattr__(module, name, before)


def _one_by_one(predict: Callable[[Batch], PyTree[Array]], x: Batch) -> PyTree[Array]:
    """Maps over inputs with one key, and so with one draw of each mask."""

    def of_one(x: Batch) -> PyTree[Array]:
        alone = predict(jax.tree.map(lambda leaf: leaf[None], x))
        return jax.tree.map(lambda leaf: leaf[0], alone)

    return jax.vmap(of_one)(x)


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Static:
    """What a program is compiled for."""

    value: Any


def _bind(run: Callable[..., PyTree[Array]], static: Any, *traced: Any) -> Predict:
    """Remembered by what is static, if it can be: a module that holds a list cannot."""
    try:
        hash(static)
    except TypeError:
        return lambda key: run(_Static(static), *traced, key)
    return Partial(run, _Static(static), *traced)


def _take_apart(call: dict[str, Any]) -> tuple[list[Array], Any]:
    """Arrays, and all that is no array, which may be a flag."""
    leaves, structure = jax.tree.flatten(call)
    is_array = tuple(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves)
    arrays = [leaf for leaf, array in zip(leaves, is_array, strict=True) if array]
    others = tuple(leaf for leaf, array in zip(leaves, is_array, strict=True) if not array)
    return arrays, (structure, is_array, others)


def _put_together(fixed: Any, arrays: Sequence[Array]) -> dict[str, Any]:
    structure, is_array, others = fixed
    sources = iter(others), iter(arrays)
    return structure.unflatten([next(sources[array]) for array in is_array])
