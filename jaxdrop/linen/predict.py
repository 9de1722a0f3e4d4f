"""A Flax Linen module as a function of a key: dropout on, everything else as at test time."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
from flax import linen as nn
from jaxtyping import Array, Key, PyTree, Shaped

from jaxdrop import checks
from jaxdrop.montecarlo.sampling import Predict, one_by_one


def predict(
    module: nn.Module,
    variables: PyTree[Array],
    x: PyTree[Shaped[Array, "batch ..."]],
    *others: Any,
    shared_masks: bool = False,
    rng_collections: Sequence[str] = ("dropout",),
    **call: Any,
) -> Predict:
    r"""Turns a module and its inputs into a function of a key, which predicts with dropout on.

    $$f(k) = \mathrm{module}(x; m), \qquad m \sim p(m \mid k)$$

    with masks `m`: what `jaxdrop.montecarlo.sample` and `moments` take. All of
    `flax.linen.Dropout`, of `jaxdrop.linen` and of attention drops, and batch norm uses its running
    averages, whatever the module itself says: one flag `train` often stands for both, and either
    value of it works. Dropout that a module spells out by itself has only that flag, so pass the
    value that turns it on. No collection is mutable: what wants to write, for instance a batch norm
    of another kind, ends in Flax's own error.

    Args:
      module: the module.
      variables: what `init` returned: parameters, batch statistics.
      x: its first argument: an array, or a pytree of them.
      *others: further arguments of the module; with `shared_masks` they are the same for all
        inputs.
      shared_masks: under one key, drop the same for all inputs, as in `jaxdrop.nnx.predict`: a
        coherent draw of one function. The module then sees inputs one by one, as batches of one.
      rng_collections: the names under which the module asks for keys.
      **call: further arguments of the module by name, likewise, or `method`.

    Returns:
      A function of one key that returns what the module returns.

    Raises:
      TypeError: no Linen module, no sequence of names, or `rngs` or `mutable` among the arguments.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop.linen
      >>> from flax import linen as nn
      >>> from jaxdrop import montecarlo
      >>> class Model(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x))
      ...         return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))
      >>> model, x = Model(), jnp.ones((4, 3))
      >>> variables = model.init(jax.random.key(0), x, train=False)
      >>> @jax.jit  # compiles once, whatever the weights become
      ... def spread(key, variables, x):
      ...     predict = jaxdrop.linen.predict(model, variables, x, train=False)
      ...     return montecarlo.sample(key, predict, 100).std(0)
      >>> bool((spread(jax.random.key(1), variables, x) > 0).all())
      True

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.
    """
    _check(module, rng_collections, call)

    def of_key(key: Key[Array, ""]) -> PyTree[Array]:
        key = checks.as_key(key)
        rngs = {name: jax.random.fold_in(key, index) for index, name in enumerate(rng_collections)}

        def of_inputs(x: PyTree[Array]) -> PyTree[Array]:
            with nn.intercept_methods(_force_modes):
                return module.apply(variables, x, *others, rngs=rngs, **call)

        return one_by_one(of_inputs, x) if shared_masks else of_inputs(x)

    return of_key


def _check(module: nn.Module, rng_collections: Sequence[str], call: dict[str, Any]) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"Expected a flax.linen.Module as module; got {module!r}. For an NNX model use "
            "jaxdrop.nnx.predict."
        )
    if isinstance(rng_collections, str):
        raise TypeError(
            f"Expected a sequence of names as rng_collections; got {rng_collections!r}. For one "
            f"name pass ({rng_collections!r},)."
        )
    for name in ("rngs", "mutable"):
        if name in call:
            raise TypeError(
                f"Expected no {name} among the module's arguments; got {call[name]!r}. Keys come "
                "from the one key, under the names in rng_collections, and nothing is mutable."
            )


def _force_modes(
    next_method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any
) -> Any:
    """Turns dropout on and batch norm to its averages, at constructor and call alike."""
    if context.method_name != "__call__":
        return next_method(*args, **kwargs)
    if isinstance(context.module, nn.BatchNorm):
        flag, value = "use_running_average", True
    elif isinstance(context.module, nn.Dropout | nn.MultiHeadDotProductAttention):
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
