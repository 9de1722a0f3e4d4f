"""What every operator asks of its arguments: expected this, got that, and the fix."""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float32, Key

Shape = tuple[int, ...]
MOST = 2**31 - 1  # of what is counted in int32


class Rate(NamedTuple):
    """A rate that passed its checks: `keep` where its values could be read, else `unread`."""

    keep: np.ndarray | None
    unread: Array | None

    def is_always(self, rate: float) -> bool:
        """Whether the rate is this number everywhere, known before anything runs."""
        return self.keep is not None and bool((self.keep == np.float32(1.0 - rate)).all())


def check_rate(rate: ArrayLike, drawn_shape: Shape) -> Rate:
    """Checks kind, shape and, where they can be read, the values of `rate`."""
    fix = "A rate is the probability to drop: to keep nine in ten, pass 0.1."
    array = check_number("rate", rate, drawn_shape, "in [0, 1]", is_share, fix)
    if isinstance(array, Tracer):
        return Rate(None, array)
    return Rate(np.asarray(1.0 - array.astype(np.float64), np.float32), None)


def is_share(values: np.ndarray) -> np.ndarray:
    """Whether each is in [0, 1]; NaN is not."""
    return (values >= 0) & (values <= 1)


def is_positive(values: np.ndarray) -> np.ndarray:
    """Whether each is above 0 and finite."""
    return (values > 0) & (values < np.inf)


def check_number(
    what: str,
    value: ArrayLike,
    drawn_shape: Shape,
    wanted: str,
    is_valid: Callable[[np.ndarray], np.ndarray],
    fix: str,
) -> np.ndarray | Tracer:
    """Takes a number, or an array of them for parts of the drawn shape; names one that is wrong."""
    array = check_real(what, value)
    if array.dtype == jnp.uint32 and array.shape:  # no numbers that are asked for come so
        raise TypeError(
            f"Expected a real number or an array of them as {what}; got uint32 of shape "
            f"{array.shape}, like a legacy key. The key comes first, before the data."
        )
    array = array if isinstance(array, Tracer) else np.asarray(array)
    if array.shape and not drawn_shape:
        raise ValueError(
            f"Expected one number as {what}; got shape {array.shape}. Map over them with jax.vmap."
        )
    check_broadcast(what, array.shape, "the drawn shape (tied axes are 1)", drawn_shape)
    if not isinstance(array, Tracer):
        values = array.astype(np.float64)
        wrong = values[~is_valid(values)]
        if wrong.size:
            article = "an" if what[0] in "aeiou" else "a"
            raise ValueError(f"Expected {article} {what} {wanted}; got {wrong[0]}. {fix}")
    return array


def check_positive(what: str, value: ArrayLike) -> Float32[Array, ""]:
    """Takes one number above 0."""
    fix = "Pass one positive number."
    number = check_number(what, value, (), "above 0", lambda values: values > 0, fix)
    return jnp.asarray(number, jnp.float32)


def check_real(what: str, value: ArrayLike) -> np.ndarray | Array:
    """Takes a real number or an array of them, which stays on its device."""
    expected = f"Expected a real number or an array of them as {what}; got"
    if _is_typed(value):
        raise TypeError(f"{expected} a key. The key comes first, before the data.")
    try:
        array = value if isinstance(value, jax.Array) else np.asarray(value)
    except ValueError:  # a list of rows of different lengths
        raise TypeError(f"{expected} {value!r}.") from None
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise TypeError(f"{expected} {value!r}.")
    return array


def check_broadcast(what: str, shape: Shape, name: str, wanted: Shape) -> None:
    """Takes a shape that broadcasts to the one that is wanted."""
    trailing = wanted[max(len(wanted) - len(shape), 0) :]
    fits = all(size in (1, full) for size, full in zip(shape, trailing, strict=False))
    if len(shape) > len(wanted) or not fits:
        raise ValueError(
            f"Expected a {what} that broadcasts to {name} {wanted}; got shape {shape}. "
            "Give it size 1 on the other axes."
        )


def as_key(key: object, call: str = "") -> Key[Array, ""]:
    """Takes one key, typed or legacy, and returns it typed; `call` shows where it belongs."""
    fix = f"The key comes first: {call}. " * bool(call) + "Make one with jax.random.key(seed)."
    if not isinstance(key, jax.Array | np.ndarray):
        raise TypeError(f"Expected a key; got {key!r}. {fix}")
    if not _is_typed(key) and key.dtype != jnp.uint32:
        raise TypeError(f"Expected a key; got an array of {key.dtype}. {fix}")
    keys = _as_typed(key)
    if keys.shape:
        raise ValueError(
            f"Expected one key; got keys of shape {keys.shape}. "
            "Index one, or map over them with jax.vmap."
        )
    return keys


def _is_typed(value: object) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _as_typed(key: jax.Array | np.ndarray) -> Key[Array, "..."]:
    if _is_typed(key):
        return jnp.asarray(key)
    try:
        return jax.random.wrap_key_data(jnp.asarray(key))
    except (TypeError, ValueError):
        words = jax.eval_shape(lambda: jax.random.PRNGKey(0)).shape
        raise ValueError(
            f"Expected a key; got uint32 of shape {key.shape}. A legacy key has shape {words}: "
            "make one with jax.random.key(seed)."
        ) from None


def as_array(value: ArrayLike, wanted: str, fix: str) -> Array:
    """Takes what JAX can hold."""
    try:
        if not isinstance(value, str | bytes):  # NumPy would read a dtype in it
            return jnp.asarray(value)
    except (TypeError, ValueError):
        pass
    raise TypeError(f"Expected {wanted}; got {value!r}. {fix}")


def check_data(x: ArrayLike) -> Array:
    """Takes floating-point (or complex) data of any shape."""
    if _is_typed(x):
        raise TypeError("Expected floating-point data; got a key. The data come after the key.")
    x = as_array(x, "floating-point data", "Pass an array.")
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(
            f"Expected floating-point data; got {x.dtype}. "
            "Convert it first, for instance with x.astype(jnp.float32)."
        )
    return x


def check_real_data(x: ArrayLike) -> Array:
    """Takes floating-point data where complex data have no definition."""
    x = check_data(x)
    if jnp.iscomplexobj(x):
        raise TypeError(
            f"Expected real floating-point data; got {x.dtype}. "
            "Pass the real and the imaginary part, each with a key of its own."
        )
    return x


def is_symbolic(size: Any) -> bool:
    """Whether a size is a symbol, as in a program that is exported for many sizes."""
    return export.is_symbolic_dim(size)


def check_known(what: str, size: int) -> int:
    """Takes a size that is a number, not a symbol of a program that is exported."""
    if not isinstance(size, int | np.integer):
        raise ValueError(
            f"Expected {what} of a known size; got the symbolic size {size}. "
            "Export the program with a number there."
        )
    return int(size)


def check_shape(shape: int | Sequence[int]) -> Shape:
    """Takes a shape of non-negative sizes; symbolic ones are left to JAX."""
    try:
        several = shape if isinstance(shape, Iterable) else (shape,)
        sizes = tuple(n if is_symbolic(n) else operator.index(n) for n in several)
    except TypeError:
        raise TypeError(
            f"Expected a shape, one integer or a sequence of them; got {shape!r}."
        ) from None
    if any(size < 0 for size in sizes if not is_symbolic(size)):
        raise ValueError(f"Expected a shape of sizes 0 or more; got {sizes}.")
    return sizes


def check_axis(what: str, axis: int, shape: Shape) -> int:
    """Takes an axis of `shape`, counted from either end, and returns it counted from the first."""
    axis = check_integer(what, axis)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"Expected {what} among the {len(shape)} axes of shape {shape}; got {axis}."
        )
    return axis % len(shape)


def check_apart(what: str, axis: int, others: str, dims: Iterable[int], shape: Shape) -> int:
    """Takes an axis that has no second role."""
    axis = check_axis(what, axis, shape)
    if axis in [check_axis(others, dim, shape) for dim in dims]:
        raise ValueError(
            f"Expected {what} apart from {others}; got axis {axis} of shape {shape} in both. "
            "Give each role an axis of its own."
        )
    return axis


def drawn_shape(shape: Shape, broadcast_dims: Sequence[int]) -> Shape:
    """The shape with size 1 on the axes that share the mask."""
    if not isinstance(broadcast_dims, Iterable):
        raise TypeError(
            f"Expected a sequence of axes as broadcast_dims; got {broadcast_dims!r}. "
            "For one axis pass a tuple of one, such as (0,)."
        )
    tied = {check_axis("broadcast_dims", dim, shape) for dim in broadcast_dims}
    return tuple(1 if axis in tied else size for axis, size in enumerate(shape))


def check_mask(mask: ArrayLike, shape: Shape) -> Array:
    """Takes a bool mask that broadcasts to `shape`."""
    mask = as_array(mask, "a bool mask, True where kept", "Draw one with keep_mask.")
    if mask.dtype != jnp.bool_:
        raise TypeError(f"Expected a bool mask, True where kept; got {mask.dtype}.")
    check_broadcast("mask", mask.shape, "the data's shape", shape)
    return mask


def check_bits(bits: int) -> int:
    """Takes a number of bits that the engine draws."""
    if not isinstance(bits, int | np.integer) or bits not in (8, 16, 32):
        raise ValueError(f"Expected bits to be 8, 16 or 32; got {bits!r}.")
    return bits


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


def check_integer(name: str, value: int) -> int:
    """Takes an integer."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"Expected an integer as {name}; got {value!r}.")
    return int(value)


def check_count(name: str, count: int, least: int = 0, most: int = MOST, fix: str = "") -> int:
    """Takes a number of things that there are."""
    count = check_integer(name, count)
    if not least <= count <= most:
        open_ended = most == MOST and count < least
        wanted = f"of {least} or more" if open_ended else f"between {least} and {most}"
        raise ValueError(f"Expected {name} {wanted}; got {count}. {fix}".rstrip())
    return count


def check_word(name: str, value: Any, fix: str) -> int | Array:
    """Takes an integer of 32 bits without sign, which may be traced."""
    array = value if isinstance(value, jax.Array) else np.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"Expected an integer as {name}; got {value!r}. {fix}")
    if array.shape:
        raise ValueError(f"Expected one {name}; got shape {array.shape}. Map with jax.vmap.")
    if isinstance(value, Tracer):
        return value
    if not 0 <= int(array) < 2**32:
        raise ValueError(f"Expected {name} in [0, 2**32); got {value}.")
    return int(array)
