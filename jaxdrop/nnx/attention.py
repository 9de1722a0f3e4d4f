"""Dropout inside of Flax's attention, by its own means."""

from typing import Any

from flax import nnx

from jaxdrop import checks
from jaxdrop.flax_shared import Path, known_rate

INSIDE = "dropout_inside"  # the mode that an attention had before it got dropout


def check_attention(child: Any, path: Path, rate: Any) -> None:
    """Takes a place inside of an attention, and its rate."""
    if not isinstance(child, nnx.MultiHeadAttention):
        raise TypeError(f"Expected a nnx.MultiHeadAttention at {path}; got {child!r}.")
    check_attention_rate(rate)


def check_attention_rate(rate: Any) -> float:
    """Takes a rate that Flax's attention can have: it divides by 1 - rate, and holds a number."""
    known = known_rate(rate, lambda rate, _: checks.check_rate(rate, ()))
    if known is None:
        raise TypeError(
            f"Expected a rate of attention that is known when it is put in; got {rate!r}. "
            "Flax holds it as a number, not as an array."
        )
    if known == 1:
        raise ValueError(
            "Expected a rate of attention in [0, 1); got 1. Flax divides by 1 - rate: lower it."
        )
    return known


def drop_inside(attention: Any, rate: Any, stream: nnx.RngStream) -> None:
    """Gives an attention dropout in training mode; what it had before comes back with `restore`."""
    if not hasattr(attention, INSIDE):
        setattr(attention, INSIDE, attention.deterministic)
    attention.dropout_rate, attention.deterministic = check_attention_rate(rate), False
    attention.rngs = nnx.data(stream)


def restore(attention: Any) -> None:
    """Takes dropout out of an attention, whoever put it there."""
    if hasattr(attention, INSIDE):
        if not attention.deterministic:  # else `eval` was called since
            attention.deterministic = getattr(attention, INSIDE)
        delattr(attention, INSIDE)
    elif attention.dropout_rate == 0:
        return
    attention.dropout_rate, attention.rngs = 0.0, nnx.static(None)
