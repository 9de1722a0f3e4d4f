"""The lanes as an endless stream of bytes, for test batteries such as Debian's dieharder.

    python -m tests.jaxdrop.stream 8 | dieharder -g 200 -a

At 8 bits every lane, in the order of a mask. At 16 bits one draw of each pair, its place moving
from pair to pair: the draws of one pair are made of the same 64 bits, independent by twos alone.
"""

import sys

import jax
import numpy as np

from jaxdrop import sixteen_bits
from jaxdrop.bits import Pair, random_pairs

COUNT = 2**19


def draws(pair: Pair, bits: int) -> np.ndarray:
    """The draws of the eight lanes of each pair, by their definition in numpy."""
    own, low = (
        np.stack([np.asarray(word).astype("<u4").view(np.uint8) for word in words], -1)
        for words in (pair, jax.jit(sixteen_bits.low_bytes)(pair))
    )
    drawn = own.reshape(-1, 8).astype(np.uint16) << 8 | low.reshape(-1, 8)
    return drawn if bits == 16 else (drawn >> 8).astype(np.uint8)


def block(key: jax.Array, bits: int) -> np.ndarray:
    """The lanes of one array."""
    drawn = draws(random_pairs(key, (COUNT,), None), bits)
    return drawn if bits == 8 else drawn[np.arange(COUNT), np.arange(COUNT) % 8]


def main() -> None:
    """Writes until the reader has had enough."""
    step = 0
    try:
        while True:
            key = jax.random.fold_in(jax.random.key(0), step)
            sys.stdout.buffer.write(block(key, int(sys.argv[1])).tobytes())
            step += 1
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
