"""Which of the eight lanes of a word pair are dropped: arithmetic on all bytes at once.

Lane e owns one byte of the pair: byte e // 2 of the first word where e is even, of the second where
it is odd. Its draw is `own * 256 + low`, where `low` is the exclusive or of seven of the pair's
bytes, another seven for each lane: then every draw is uniform on 16 bits, and every two draws are
independent, exactly. (Of three draws of one pair the low bytes of two can follow from the own byte
of the third; that moves a joint moment of three keep indicators by less than 2^-16.) So a rate is
exact to 2^-16 at the price of eight bits.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, UInt8, UInt32

from jaxdrop.bits import Pair, Words, constants, rotate

Limits = Sequence[UInt32[Array, "..."]]  # one for all eight lanes, or one for each

_HIGH = 0x80808080
_ONES = 0x01010101


class _Bound(NamedTuple):
    """What bytes are compared with; `flip` is 0xFF for a bound of 128 or more.

    There the byte and the outcome are flipped. What is left to subtract is at most 128, and a byte
    whose highest bit is set does not borrow for it from its neighbour.
    """

    flip: Words
    less: Words


class _WordBounds(NamedTuple):
    """The bounds of a word: of its draws' own bytes, and of their low bytes."""

    own: _Bound
    low: _Bound


class Bounds(NamedTuple):
    """The bounds of a pair of words, and the bits that are flipped of what is dropped."""

    even: _WordBounds
    odd: _WordBounds
    flips: Words


def bounds(limits: Limits, bits: int) -> Bounds:
    """What the words are compared with for draws of so many bits, which have these limits."""
    limits = [limit << (16 - bits) for limit in limits]
    even = _word_bounds(limits[::2])
    odd = _word_bounds(limits[1::2]) if len(limits) > 1 else even
    flips = (even.own.flip & jnp.uint32(_HIGH)) >> 4 | (odd.own.flip & jnp.uint32(_HIGH))
    return Bounds(even, odd, flips)


def _word_bounds(limits: Limits) -> _WordBounds:
    own, low = [limit >> 8 for limit in limits], [limit & 0xFF for limit in limits]
    return _WordBounds(_bound(own, plus=1), _bound(low, plus=0))


def _bound(bytes_: Limits, plus: int) -> _Bound:
    flips = [(byte >= 128).astype(jnp.uint32) * jnp.uint32(0xFF) for byte in bytes_]
    less = [lax.select(byte < 128, byte + plus, 256 - byte) for byte in bytes_]
    return _Bound(_word(flips), _word(less))


def _word(bytes_: Limits) -> Words:
    if len(bytes_) == 1:
        return bytes_[0] * jnp.uint32(_ONES)
    return sum((byte << (8 * i) for i, byte in enumerate(bytes_)), jnp.uint32(0))


def dropped(pair: Pair, bounds: Bounds, bits: int) -> Words:
    """Bit 4e + 3 of the word is set where the draw of lane e, of 8 or 16 bits, has its limit."""
    fill = constants(pair[0])
    lower = low_bytes(pair) if bits == 16 else (fill(0), fill(0))
    first = _reached(pair[0], lower[0], bounds.even, fill)
    second = _reached(pair[1], lower[1], bounds.odd, fill)
    return ((first >> 4) | second) ^ bounds.flips


def packed(words: Words) -> UInt8[Array, "..."]:
    """What `dropped` gives as bit e of a byte."""
    words = words >> 3
    words = (words | (words >> 3)) & jnp.uint32(0x03030303)
    words = (words | (words >> 6)) & jnp.uint32(0x000F000F)
    return (words | (words >> 12)).astype(jnp.uint8)


def low_bytes(pair: Pair) -> Pair:
    """The low byte of every lane's draw, at the place of its own byte."""
    (first, second), fill = pair, constants(pair[0])
    both = first ^ second
    both = both ^ rotate(both, 16, fill)
    every = both ^ rotate(both, 8, fill)  # in each byte the exclusive or of all eight
    return second ^ every, rotate(first, 8, fill) ^ every


def _reached(own: Words, low: Words, bounds: _WordBounds, fill: Callable[[int], Words]) -> Words:
    """The highest bit of each byte: whether its draw has its limit, or not, where it is flipped."""
    low = low ^ bounds.low.flip
    carry = low | ((low | fill(_HIGH)) - bounds.low.less)
    carry = ((carry ^ (bounds.low.flip ^ bounds.own.flip)) >> fill(7)) & fill(_ONES)
    own = own ^ bounds.own.flip
    return (own | ((own | fill(_HIGH)) - bounds.own.less + carry)) & fill(_HIGH)
