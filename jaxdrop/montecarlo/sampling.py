"""Samples of a function of a key, and the refusal of samples that cannot differ."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.sharding import Mesh
from jaxtyping import Array, Int, Key, PyTree, Shaped

from jaxdrop import checks
from jaxdrop.montecarlo.devices import on_devices

Predict = Callable[[Key[Array, ""]], PyTree[Array]]


def sample(
    key: Key[Array, ""],
    predict: Predict,
    num_samples: int,
    *,
    chunk: int | None = None,
    mesh: Mesh | None = None,
) -> PyTree[Shaped[Array, "samples ..."]]:
    r"""Draws predictions of a function that drops, each under a key of its own.

    $$y_t = f(k_t), \qquad k_t = \mathrm{fold\_in}(key, t), \qquad t = 0, \dots, T - 1$$

    Sample `t` depends on `key` and `t` alone: a larger `num_samples` adds to the first ones, and
    `chunk` and `mesh` change them by rounding at most (with JAX's default kind of keys).
    `jaxdrop.nnx.predict` and `jaxdrop.linen.predict` make such a function of a Flax model.

    All samples run in one program, which is compiled at each call, because `predict` may hold what
    has changed since, such as a model in training. To compile once, make the call in a function of
    your own under `jax.jit` (or `nnx.jit`), whose arguments are the key and all that changes.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      predict: takes a typed key, and returns an array or a pytree of them. It runs `num_samples`
        times.
      num_samples: how many, 2 or more.
      chunk: how many are computed at once (on each device), where memory is short; None takes all.
      mesh: shares the samples out over all devices of this mesh; each holds all that `predict`
        needs.

    Returns:
      What `predict` returns, with a first axis of `num_samples`.

    Raises:
      ValueError: less than two samples, a chunk below 1, several keys; or no result that depends on
        the key, because no dropout is active or `predict` draws from another key. That is read from
        the program, not from results: a rate that is traced counts as active, even if it is 0.
      TypeError: no key, no function, no mesh, or a count that is no integer.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> from jaxdrop import montecarlo
      >>> weights = jnp.array([1.0, 2.0, 3.0])
      >>> def predict(key):
      ...     return jaxdrop.dropout(key, jnp.ones(3), 0.5) @ weights
      >>> samples = montecarlo.sample(jax.random.key(0), predict, 1000)
      >>> samples.shape, round(float(samples.mean()))
      ((1000,), 6)

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.
    """
    key, count = check_call(key, predict, num_samples, mesh)
    size = count if chunk is None else checks.check_count("chunk", chunk, least=1)
    run = partial(_draw, partial(passes, predict), size)
    if mesh is None:
        return jax.jit(lambda key: run(key, jnp.arange(count)))(key)
    return jax.jit(lambda key: _in_order(on_devices(run, mesh, key, count), count))(key)


def _draw(
    run: Callable[..., PyTree[Array]], size: int, key: Key[Array, ""], indices: Int[Array, " share"]
) -> PyTree[Array]:
    """The samples of these indices, `size` at once."""
    if len(indices) <= size:
        return run(key, indices)
    blocks, left = in_blocks(indices, size)
    drawn = lax.map(partial(run, key), blocks)
    whole = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), drawn)
    return _in_order([whole, run(key, left)] if len(left) else [whole], len(indices))


def _in_order(parts: list[PyTree[Array]], count: int) -> PyTree[Array]:
    """The first `count` samples of these parts."""
    if len(parts) == 1:
        return jax.tree.map(lambda leaf: leaf[:count], parts[0])
    whole, last = parts
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b[: count - len(a)]]), whole, last)


def in_blocks(indices: Int[Array, " n"], size: int) -> tuple[Array, Array]:
    """Blocks of this size, and the indices that are left."""
    full = len(indices) // size * size
    return indices[:full].reshape(-1, size), indices[full:]


def passes(predict: Predict, key: Key[Array, ""], indices: Int[Array, " n"]) -> PyTree[Array]:
    """A pass for each index, side by side; refused where no result depends on the key.

    `vmap` tells: it gives a new axis to what depends on the index, and to nothing else.
    """
    seen: list[bool] = []

    @custom_vmap
    def look(results: PyTree[Array]) -> PyTree[Array]:
        return results

    @look.def_vmap
    def _(_: int, depends: list[PyTree[bool]], results: PyTree[Array]) -> Any:
        seen.append(True)
        return results, depends[0]

    samples = jax.vmap(lambda index: look(predict(jax.random.fold_in(key, index))))(indices)
    if not seen:
        raise ValueError(
            "Expected predictions that depend on their key; got results that do not. Either no "
            "dropout site is active (none in the model, rate 0, or a mode that turns it off), or "
            "keys are not split: let every random choice come from the key that predict is given."
        )
    return samples


def check_call(
    key: Key[Array, ""], predict: Predict, num_samples: int, mesh: Mesh | None
) -> tuple[Key[Array, ""], int]:
    """Takes a key, a function of one, samples enough to have a spread, and a mesh or none."""
    key = checks.as_key(key)
    if not callable(predict):
        raise TypeError(
            f"Expected a function of a key as predict; got {predict!r}. Make one of a model with "
            "jaxdrop.nnx.predict or jaxdrop.linen.predict."
        )
    if mesh is not None and not isinstance(mesh, Mesh):
        raise TypeError(
            f"Expected a jax.sharding.Mesh as mesh; got {mesh!r}. Make one with jax.make_mesh."
        )
    fix = "One sample has no spread: for one pass with dropout on, call predict itself."
    return key, checks.check_count("num_samples", num_samples, least=2, fix=fix)


def one_by_one(predict: Callable[..., PyTree[Array]], x: PyTree[Array]) -> PyTree[Array]:
    """Maps over inputs, each as a batch of one, with one key and so with one draw of each mask."""

    def of_one(x: PyTree[Array]) -> PyTree[Array]:
        alone = predict(jax.tree.map(lambda leaf: leaf[None], x))
        return jax.tree.map(lambda leaf: leaf[0], alone)

    return jax.vmap(of_one)(x)
