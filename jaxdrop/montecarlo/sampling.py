"""Samples of a function of a key, and the refusal of samples that cannot differ."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.sharding import Mesh, PartitionSpec
from jax.tree_util import Partial
from jaxtyping import Array, Int, Key, PyTree, Shaped

from jaxdrop import checks

_PROBES = 256  # samples more before equal ones are refused: at low rates a few can be equal
_ULPS = 8  # samples that differ by less are equal: chunks can differ in their last bits
AXIS = "samples"  # of the devices that share them
Predict = Callable[[Key[Array, ""]], PyTree[Array]]


def sample(
    key: Key[Array, ""],
    fn: Predict,
    num_samples: int,
    *,
    chunk: int | None = None,
    mesh: Mesh | None = None,
) -> PyTree[Shaped[Array, "samples ..."]]:
    r"""Draws predictions of a function that drops, each under a key of its own.

    $$y_t = f(k_t), \qquad k_t = \mathrm{fold\_in}(key, t), \qquad t = 0, \dots, T - 1$$

    Sample `t` depends on `key` and `t` alone: a larger `num_samples` adds to the first ones, and
    `chunk` and `mesh` change them by rounding at most. All run in one compiled program. It is
    compiled at each call, unless `fn` is a `jax.tree_util.Partial`: then its arguments are traced,
    and a call with others of their shapes compiles nothing. Inside `jax.jit` use any function.

    Args:
      key: one key, typed or legacy.
      fn: takes a typed key, and returns an array or a pytree of them.
      num_samples: how many, 2 or more.
      chunk: how many are computed at once (on each device), where memory is short; None takes all.
      mesh: shares the samples out over all devices of this mesh; each holds all that `fn` needs.

    Returns:
      What `fn` returns, with a first axis of `num_samples`.

    Raises:
      ValueError: less than two samples, a chunk below 1, several keys; or samples that are all
        equal, because no dropout is active or `fn` does not use its key. Inside `jax.jit` only the
        latter can be seen, not a rate that turns out to be 0.
      TypeError: no key, or a count that is no integer.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> from jaxdrop import montecarlo
      >>> weights = jnp.array([1.0, 2.0, 3.0])
      >>> def fn(key):
      ...     return jaxdrop.dropout(key, jnp.ones(3), 0.5) @ weights
      >>> samples = montecarlo.sample(jax.random.key(0), fn, 1000)
      >>> samples.shape, round(float(samples.mean()))
      ((1000,), 6)

    References:
      Gal & Ghahramani, Dropout as a Bayesian Approximation, 2016.

    """
    key, count = checks.check_key(key), check_samples(num_samples)
    size = min(count if chunk is None else check_positive("chunk", chunk), count)
    samples = compiled(_draw, fn, key, jnp.arange(count), size, mesh)
    check_spread(key, fn, count, size, mesh, _vary(samples))
    return samples


def compiled(run: Callable[..., Any], fn: Predict, *arguments: Any) -> Any:
    """Runs under `jit`; what is compiled for a plain function does not outlive the call."""
    *traced, size, mesh = arguments
    if isinstance(fn, Partial):
        return _program(run)(fn, *traced, size, mesh)
    return jax.jit(lambda *traced: run(fn, *traced, size, mesh))(*traced)


_PROGRAMS: dict[Callable[..., Any], Callable[..., Any]] = {}


def _program(run: Callable[..., Any]) -> Callable[..., Any]:
    return _PROGRAMS.setdefault(run, jax.jit(run, static_argnums=(3, 4)))


def _draw(
    fn: Predict, key: Key[Array, ""], indices: Int[Array, " samples"], size: int, mesh: Mesh | None
) -> PyTree[Array]:
    """One sample for each index, `size` at once."""
    check_key_is_used(fn, key)
    count, shares = len(indices), 1 if mesh is None else mesh.size

    def run(key: Key[Array, ""], indices: Int[Array, " share"]) -> PyTree[Array]:
        of_index = partial(at, fn, key)
        if size >= len(indices):
            return jax.vmap(of_index)(indices)
        return lax.map(of_index, indices, batch_size=size)

    padded = jnp.pad(indices, (0, -count % shares), mode="edge")
    return jax.tree.map(lambda leaf: leaf[:count], share(run, mesh)(key, padded))


def at(fn: Predict, key: Key[Array, ""], index: Int[Array, ""]) -> PyTree[Array]:
    """The sample of this index."""
    return fn(jax.random.fold_in(key, index))


def share(run: Callable[..., Any], mesh: Mesh | None, *, gather: bool = True) -> Callable[..., Any]:
    """Gives each device of the mesh its part of the indices."""
    if mesh is None:
        return run
    mesh, over = Mesh(mesh.devices.ravel(), AXIS), PartitionSpec(AXIS)  # any axes, of any kind
    specs = {"in_specs": (PartitionSpec(), over), "out_specs": over if gather else PartitionSpec()}
    return jax.shard_map(run, mesh=mesh, check_vma=False, **specs)


def check_samples(count: int) -> int:
    """Takes a number of samples that have a spread."""
    if checks.check_count("num_samples", count, 2**31 - 1) < 2:
        raise ValueError(
            f"Expected num_samples of 2 or more; got {count}. One sample has no spread: for one "
            "pass with dropout on, call the function itself."
        )
    return int(count)


def check_positive(name: str, count: int) -> int:
    """Takes an integer of at least 1."""
    if checks.check_count(name, count, 2**31 - 1) < 1:
        raise ValueError(f"Expected {name} of 1 or more; got {count}.")
    return int(count)


def check_key_is_used(fn: Predict, key: Key[Array, ""]) -> None:
    """Refuses a function whose results do not depend on its key; also while tracing."""
    keys = jax.random.split(key, 2)
    try:
        jax.eval_shape(jax.vmap(fn, out_axes=None), keys)  # fails where a result has a batch axis
    except Exception:
        return  # another failure shows when the function runs
    raise _equal("its results do not depend on the key")


def check_spread(
    key: Key[Array, ""], fn: Predict, count: int, size: int, mesh: Mesh | None, vary: bool
) -> None:
    """Refuses a function whose samples are equal, these and the next ones."""
    if not vary:
        more = jnp.arange(count, count + _PROBES)
        if not _vary(compiled(_draw, fn, key, more, min(size, _PROBES), mesh)):
            raise _equal("the key is used, but the results are equal")


def _vary(samples: PyTree[Array]) -> bool:
    """Whether samples differ; they count as doing so where that cannot be read."""
    leaves = [leaf for leaf in jax.tree.leaves(samples) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    if not leaves or any(isinstance(leaf, Tracer) for leaf in leaves):
        return True
    return any(bool(_differ(leaf)) for leaf in leaves)


@jax.jit
def _differ(leaf: Array) -> Array:
    first = jnp.broadcast_to(leaf[:1], leaf.shape)
    reach = _ULPS * jnp.finfo(leaf.dtype).eps * abs(first)
    same = (leaf == first) | (abs(leaf - first) <= reach) | (jnp.isnan(leaf) & jnp.isnan(first))
    return ~same.all()


def deviates(mean: Array, variance: Array) -> bool:
    """Whether a variance is more than the rounding of its mean."""
    reach = _ULPS * np.finfo(mean.dtype).eps * abs(np.asarray(mean))
    return not bool((np.sqrt(np.asarray(variance)) <= reach).all())


def _equal(reason: str) -> ValueError:
    return ValueError(
        f"Expected predictions that differ from sample to sample; got equal ones: {reason}. Either "
        "no dropout site is active (none in the model, rate 0, or a mode that turns it off), or "
        "keys are not split: let every random choice come from the key that fn is given."
    )
