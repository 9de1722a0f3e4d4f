"""Shares, means and squares over many examples, of which float32 loses nothing that it can hold.

Counts are integers. A sum of ten million numbers loses digits in proportion to what it adds up, so
means are taken twice: of the numbers, then of their distances from the first mean, which are small.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int


def share(flags: Bool[Array, "n *shape"], dtype: DTypeLike = jnp.float32) -> Float[Array, "*shape"]:
    """How many of them are true, divided by how many there are."""
    return count(flags).astype(dtype) / len(flags)


def count(flags: Bool[Array, "n *shape"]) -> Int[Array, "*shape"]:
    """How many of them are true."""
    return flags.sum(0, dtype=jnp.int32)


def mean(x: Float[Array, "n *shape"], among: Bool[Array, " n"] | None = None) -> Array:
    """Over the first axis, where there is one among them; 0 of none."""
    return jnp.add(*_center(x, among))


def log_mean_exp(x: Float[Array, "n *shape"]) -> Float[Array, "*shape"]:
    """The logarithm of the mean of exponentials, which may be too large or small themselves."""
    largest = _finite(lax.stop_gradient(x.max(0)))
    return largest + jnp.log(mean(jnp.exp(x - largest[None])))


def _finite(x: Array) -> Array:
    return jnp.where(jnp.isfinite(x), x, 0)


def _center(x: Array, among: Bool[Array, " n"] | None = None) -> tuple[Array, Array]:
    """The mean as a sum of two, of which the first is near it; their sum may need more digits."""
    number = len(x) if among is None else jnp.maximum(count(among), 1).astype(x.dtype)
    near = _finite(lax.stop_gradient(jnp.sum(x, 0, where=among) / number))
    return near, jnp.sum(x - near[None], 0, where=among) / number


def mean_and_variance(x: Float[Array, "n *shape"]) -> tuple[Array, Array]:
    """Over the first axis; the variance is that of these numbers, not of more like them."""
    spread = spread_of(x)
    return spread.mean(), spread.variance(len(x))


class Spread(NamedTuple):
    """Of numbers: their mean, `near + rest`, and squared distances from it, `squares + lost`."""

    near: Float[Array, "*shape"]
    rest: Float[Array, "*shape"]
    squares: Float[Array, "*shape"]
    lost: Float[Array, "*shape"]

    def mean(self) -> Float[Array, "*shape"]:
        """The mean in one number."""
        return self.near + self.rest

    def variance(self, number: int) -> Float[Array, "*shape"]:
        """The mean squared distance from the mean."""
        return (self.squares + self.lost) / number


def spread_of(x: Float[Array, "n *shape"]) -> Spread:
    """Over the first axis."""
    near, rest = _center(x)
    squares = jnp.square(x - near[None] - rest[None]).sum(0)
    return Spread(near, rest, squares, jnp.zeros_like(squares))


def merge(number_a: Int[Array, ""], number_b: Int[Array, ""], a: Spread, b: Spread) -> Spread:
    """Of the numbers of both, after Chan, Golub & LeVeque."""
    kind = a.near.dtype
    of_b = number_b.astype(kind) / jnp.maximum(number_a + number_b, 1).astype(kind)
    apart = (b.near - a.near) + (b.rest - a.rest)
    between = jnp.square(apart) * (of_b * number_a.astype(kind))
    squares, lost = _add(a.squares, b.squares + between)
    return Spread(a.near, a.rest + apart * of_b, squares, a.lost + b.lost + lost)


def _add(a: Array, b: Array) -> tuple[Array, Array]:
    """The sum, and what rounding took from it (Knuth)."""
    total = a + b
    of_b = total - a
    lost = (a - (total - of_b)) + (b - of_b)
    return total, _finite(lost)


def over_devices(axis: str, number: Int[Array, ""], spread: Spread) -> Spread:
    """Of the numbers of all devices along this axis, on each of them."""
    kind, first = spread.near.dtype, lax.axis_index(axis) == 0
    near = lax.psum(jnp.where(first, spread.near, 0), axis)
    weight = number.astype(kind)
    whole = jnp.maximum(lax.psum(number, axis), 1).astype(kind)
    apart = (spread.near - near) + spread.rest
    rest = lax.psum(apart * (weight / whole), axis)
    between = weight * jnp.square(apart - rest)
    squares, lost = (lax.psum(part, axis) for part in (spread.squares, spread.lost + between))
    return Spread(near, rest, squares, lost)
