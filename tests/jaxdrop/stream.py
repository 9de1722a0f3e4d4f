"""The lanes as an endless stream of bytes, for test batteries such as Debian's dieharder.

    python -m tests.jaxdrop.stream 8 | dieharder -g 200 -a

At 8 bits every lane, in the order of a mask. At 16 bits one draw of each pair, its place moving
from pair to pair: the draws of one pair are made of the same 64 bits, independent by twos alone.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from jaxdrop.lanes import Layout
from jaxdrop.masks import lanes

SHAPE = (1024, 4096)


def block(key: jax.Array, bits: int) -> jax.Array:
    """The lanes of one array."""
    drawn = lanes(key, Layout(SHAPE), bits)
    if bits == 8:
        return drawn
    pairs = drawn.reshape(-1, 8)
    place = jnp.arange(len(pairs)) % 8
    return jnp.take_along_axis(pairs, place[:, None], 1)


def main() -> None:
    """Writes until the reader has had enough."""
    bits, draw = int(sys.argv[1]), jax.jit(block, static_argnums=1)
    step = 0
    try:
        while True:
            key = jax.random.fold_in(jax.random.key(0), step)
            sys.stdout.buffer.write(np.asarray(draw(key, bits)).tobytes())
            step += 1
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
