"""A 16-bit draw for every element out of an 8-bit one: arithmetic on all bytes of a word at once.

Element e of a word pair owns one byte of it, `own`. Its draw is `own * 256 + low`, where `low` is
the exclusive or of seven of the pair's bytes, another seven for each element: then every draw is
uniform on 16 bits, and every two draws are independent, exactly. (Three draws of one pair are not,
quite: two low bytes can follow from the third's own byte, which moves a joint moment of three keep
indicators by less than 2^-16.) So a rate is exact to 2^-16 at the price of eight bits.
"""

import jax.numpy as jnp
from jaxtyping import Array, UInt32

from jaxdrop.bits import Pair, Words, rotate

_HIGH = 0x80808080
_ONES = 0x01010101


def low_bytes(pair: Pair) -> Pair:
    """The low byte of every element's draw, at the place of its own byte."""
    first, second = pair
    both = first ^ second
    both = both ^ rotate(both, 16)
    every = both ^ rotate(both, 8)  # in each byte the exclusive or of all eight
    return second ^ every, rotate(first, 8) ^ every


def less_than(words: Words, bound: Words) -> Words:
    """1 in each byte that is less than the same byte of `bound`, else 0."""
    unborrowed = (words | jnp.uint32(_HIGH)) - (bound & jnp.uint32(~_HIGH & 0xFFFFFFFF))
    less = (~words & bound) | (~(words ^ bound) & ~unborrowed)
    return (less >> 7) & jnp.uint32(_ONES)


def settle(pair: Pair, limit: UInt32[Array, ""]) -> Pair:
    """Own bytes moved by their low bytes, so that `byte < max(limit >> 8, 1)` is `draw < limit`."""
    high, low = limit >> 8, (limit & 0xFF) * jnp.uint32(_ONES)

    def move(own: Words, lower: Words) -> Words:
        under = less_than(lower, low)
        lowered = own - (under & ~less_than(own, jnp.uint32(_ONES)))
        raised = own | (under ^ jnp.uint32(_ONES))
        return jnp.where(high == 0, raised, lowered)

    lower = low_bytes(pair)
    return move(pair[0], lower[0]), move(pair[1], lower[1])
