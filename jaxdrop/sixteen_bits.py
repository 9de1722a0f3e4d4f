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
from jaxtyping import Array, UInt8, UInt32

from jaxdrop.bits import Pair, Words, rotate

Limits = Sequence[UInt32[Array, "..."]]  # one for all eight lanes, or one for each

_HIGH = 0x80808080
_ONES = 0x01010101


def dropped(pair: Pair, limits: Limits, bits: int) -> Words:
    """Bit 4e + 3 of the word is set where the draw of lane e, of 8 or 16 bits, has its limit."""
    lower = low_bytes(pair) if bits == 16 else (jnp.uint32(0),) * 2
    limits = [limit << (16 - bits) for limit in limits]
    even, odd = (limits[::2], limits[1::2]) if len(limits) > 1 else (limits, limits)
    first, flip = _reached(pair[0], lower[0], even)
    second, other_flip = _reached(pair[1], lower[1], odd)
    return ((first >> 4) | second) ^ ((flip >> 4) | other_flip)


def packed(words: Words) -> UInt8[Array, "..."]:
    """The same as bit e of a byte."""
    words = (words >> 3) & jnp.uint32(0x11111111)
    words = (words | (words >> 3)) & jnp.uint32(0x03030303)
    words = (words | (words >> 6)) & jnp.uint32(0x000F000F)
    return ((words | (words >> 12)) & jnp.uint32(0xFF)).astype(jnp.uint8)


def low_bytes(pair: Pair) -> Pair:
    """The low byte of every lane's draw, at the place of its own byte."""
    first, second = pair
    both = first ^ second
    both = both ^ rotate(both, 16)
    every = both ^ rotate(both, 8)  # in each byte the exclusive or of all eight
    return second ^ every, rotate(first, 8) ^ every


class _Bound(NamedTuple):
    """What bytes are compared with; `flip` is 0xFF for a bound of 128 or more.

    There the byte and the outcome are flipped. What is left to subtract is at most 128, and a byte
    whose highest bit is set does not borrow for it from its neighbour.
    """

    flip: Words
    less: Words


def _bound(bytes_: Limits, plus: int) -> _Bound:
    def word(of: Callable[[Array], Array]) -> Words:
        if len(bytes_) == 1:
            return of(bytes_[0]) * jnp.uint32(_ONES)
        return sum((of(byte) << (8 * i) for i, byte in enumerate(bytes_)), jnp.uint32(0))

    return _Bound(
        word(lambda byte: jnp.where(byte < 128, jnp.uint32(0), jnp.uint32(0xFF))),
        word(lambda byte: jnp.where(byte < 128, byte + plus, 256 - byte)),
    )


def _reached(own: Words, low: Words, limits: Limits) -> Pair:
    """The highest bit of each byte: whether its draw has its limit, of 0 to 2^16, and its flip."""
    upper = _bound([limit >> 8 for limit in limits], plus=1)
    lower = _bound([limit & 0xFF for limit in limits], plus=0)
    low = low ^ lower.flip
    carry = low | ((low | jnp.uint32(_HIGH)) - lower.less)
    carry = ((carry ^ (lower.flip ^ upper.flip)) >> 7) & jnp.uint32(_ONES)
    own = own ^ upper.flip
    reached = own | ((own | jnp.uint32(_HIGH)) - upper.less + carry)
    return reached & jnp.uint32(_HIGH), upper.flip & jnp.uint32(_HIGH)
