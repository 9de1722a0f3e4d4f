"""What every operator asks of its arguments: expected this, got that, and the fix."""

import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Key


class Rate(NamedTuple):
    """A rate that passed its checks: `keep` where its values could be read, else `unread`."""

    keep: np.ndarray | None
    unread: Array | None

    def is_always(self, rate: float) -> bool:
        """Whether the rate is this one number, known before anything runs."""
        return self.keep is not None and self.keep.ndim == 0 and float(self.keep) == 1.0 - rate


def check_rate(rate: ArrayLike, drawn_shape: tuple[int, ...]) -> Rate:
    """Checks kind, shape and, where they can be read, the values of `rate`."""
    array = rate if isinstance(rate, Tracer) else np.asarray(rate)
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise TypeError(f"Expected a real number or an array of them as rate; got {rate!r}.")
    _check_broadcast("rate", array.shape, "the drawn shape (tied axes are 1)", drawn_shape)
    if isinstance(array, Tracer):
        return Rate(None, array)
    return Rate(_keep_probability(array), None)


def _keep_probability(rate: np.ndarray) -> np.ndarray:
    values = rate.astype(np.float64)
    outside = values[~((values >= 0) & (values <= 1))]  # NaN too
    if outside.size:
        raise ValueError(
            f"Expected a rate in [0, 1]; got {outside[0]}. "
            "A rate is the probability to drop: to keep nine in ten, pass 0.1."
        )
    return np.asarray(1.0 - values, np.float32)


def _check_broadcast(what: str, shape: tuple[int, ...], name: str, wanted: tuple[int, ...]) -> None:
    trailing = wanted[max(len(wanted) - len(shape), 0) :]
    fits = all(size in (1, full) for size, full in zip(shape, trailing, strict=False))
    if len(shape) > len(wanted) or not fits:
        raise ValueError(
            f"Expected a {what} that broadcasts to {name} {wanted}; got shape {shape}. "
            "Give it size 1 on the other axes."
        )


def check_key(key: object) -> Key[Array, ""]:
    """Takes one key, typed or legacy, and returns it typed."""
    if not isinstance(key, jax.Array | np.ndarray):
        raise TypeError(f"Expected a key; got {key!r}. Make one with jax.random.key(seed).")
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and key.dtype != jnp.uint32:
        raise TypeError(
            f"Expected a key; got an array of {key.dtype}. Make one with jax.random.key(seed)."
        )
    keys = jnp.asarray(key) if typed else jax.random.wrap_key_data(jnp.asarray(key))
    if keys.shape:
        raise ValueError(
            f"Expected one key; got keys of shape {keys.shape}. "
            "Index one, or map over them with jax.vmap."
        )
    return keys


def check_data(x: ArrayLike) -> Array:
    """Takes floating-point (or complex) data of any shape."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(
            f"Expected floating-point data; got {x.dtype}. "
            "Convert it first, for instance with x.astype(jnp.float32)."
        )
    return x


def check_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """Takes a shape of non-negative sizes."""
    sizes = (shape,) if isinstance(shape, int) else tuple(operator.index(size) for size in shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"Expected a shape of sizes 0 or more; got {sizes}.")
    return sizes


def drawn_shape(shape: tuple[int, ...], broadcast_dims: Sequence[int]) -> tuple[int, ...]:
    """The shape with size 1 on the axes that share the mask."""
    dims = [operator.index(dim) for dim in broadcast_dims]
    for dim in dims:
        if not -len(shape) <= dim < len(shape):
            raise ValueError(
                f"Expected broadcast_dims among the {len(shape)} axes of shape {shape}; got {dim}."
            )
    tied = {dim % len(shape) for dim in dims}
    return tuple(1 if axis in tied else size for axis, size in enumerate(shape))


def check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Takes a bool mask that broadcasts to `shape`."""
    mask = jnp.asarray(mask)
    if mask.dtype != jnp.bool_:
        raise TypeError(f"Expected a bool mask, True where kept; got {mask.dtype}.")
    _check_broadcast("mask", mask.shape, "the data's shape", shape)
    return mask


def check_bits(bits: int) -> int:
    """Takes a number of bits that the engine draws."""
    if bits not in (8, 16, 32):
        raise ValueError(f"Expected bits to be 8, 16 or 32; got {bits!r}.")
    return bits


def check_axis(name: str, dim: int, shape: tuple[int, ...]) -> int:
    """Takes an axis that `shape` has, and returns it counted from the front."""
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool):
        raise TypeError(f"Expected {name} to be the number of an axis; got {dim!r}.")
    if not -len(shape) <= dim < len(shape):
        raise ValueError(
            f"Expected {name} among the {len(shape)} axes of shape {shape}; got {dim}."
        )
    return int(dim) % len(shape)


def check_choice(name: str, choice: str, choices: Sequence[str]) -> str:
    """Takes one of these names."""
    if choice not in choices:
        raise ValueError(f"Expected {name} to be one of {', '.join(choices)}; got {choice!r}.")
    return choice


def check_rank(what: str, x: Array, rank: int, axes: str) -> None:
    """Takes data of at least this rank."""
    if x.ndim < rank:
        raise ValueError(f"Expected {what} of shape {axes}; got shape {x.shape}.")


def check_alike(name_a: str, a: Array, name_b: str, b: Array) -> None:
    """Takes two arrays of one shape and one dtype."""
    if a.shape != b.shape:
        raise ValueError(
            f"Expected {name_a} and {name_b} of one shape; got {a.shape} and {b.shape}."
        )
    if a.dtype != b.dtype:
        raise TypeError(
            f"Expected {name_a} and {name_b} of one dtype; got {a.dtype} and {b.dtype}. "
            f"Convert one, for instance with {name_a}.astype({name_b}.dtype)."
        )


def check_count(name: str, count: int, most: int) -> int:
    """Takes a number of things that there are."""
    if not isinstance(count, int | np.integer) or isinstance(count, bool):
        raise TypeError(f"Expected an integer as {name}; got {count!r}.")
    if not 0 <= count <= most:
        raise ValueError(f"Expected {name} between 0 and {most}; got {count}.")
    return int(count)
