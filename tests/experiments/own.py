"""A model as readers have them: nested modules, batch norm, a layer that is shared, sites."""

import textwrap
from typing import Any

import jax
import numpy as np
from flax import nnx

FILE = textwrap.dedent("""
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(6, 6, rngs=rngs)
            self.norm = nnx.BatchNorm(6, momentum=0.5, rngs=rngs)
            self.dropout = nnx.Dropout(0.1, rngs=rngs)

        def __call__(self, x):
            return x + self.dropout(nnx.relu(self.norm(self.linear(x))))

    class Network(nnx.Module):
        def __init__(self, *, rngs):
            self.stem = nnx.Linear(4, 6, rngs=rngs)
            shared = Block(rngs)
            self.encoder = nnx.List([Block(rngs), shared, shared])
            self.last = nnx.Dropout(0.5, broadcast_dims=(0,), rngs=rngs)
            self.head = nnx.Linear(6, 3, rngs=rngs)

        def __call__(self, x):
            assert x.shape[1:] == (2, 2)
            x = self.stem(x.reshape(len(x), -1))
            for block in self.encoder:
                x = block(x)
            return self.head(self.last(x))

    def network(rngs):
        return Network(rngs=rngs)

    def plain(rngs):
        return nnx.Sequential(
            lambda x: x.reshape(len(x), -1), nnx.Linear(4, 5, rngs=rngs), nnx.relu,
            nnx.Linear(5, 3, rngs=rngs),
        )

    def predictor(rngs):
        return nnx.Sequential(
            lambda x: x.reshape(len(x), -1), nnx.Linear(4, 5, rngs=rngs), nnx.relu,
            nnx.Dropout(0.5, rngs=rngs), nnx.Linear(5, 2, rngs=rngs),
        )
""")
SITES = ("encoder.0.dropout", "encoder.1.dropout", "last")


def names() -> dict[str, Any]:
    """What the file defines."""
    space: dict[str, Any] = {"__name__": __name__}
    exec(FILE, space)
    return space


class Dropping(nnx.Module):
    """A site, and what comes first if anything does."""

    def __init__(self, site, first=lambda x: x):
        self.first, self.site = first, site

    def __call__(self, x):
        return self.site(self.first(x))


class Layers(nnx.Module):
    """Layers that are stacked, and run by a loop."""

    def __init__(self, rngs):
        @nnx.split_rngs(splits=3)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def stack(rngs):
            return Dropping(nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 4, rngs=rngs))

        self.layers = stack(rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def through(x, layer):
            return layer(x)

        return through(x, self.layers)


def save(folder, **changes):
    """The file, and a data set of three classes."""
    (folder / "model.py").write_text(FILE)
    images = np.random.default_rng(0).normal(size=(60, 2, 2)).astype(np.float32)
    labels = np.arange(60) % 3
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:30], "y_test": labels[:30]}
    np.savez(folder / "set.npz", **arrays | changes)
    return arrays | changes


def key(number=1):
    return jax.random.key(number)
