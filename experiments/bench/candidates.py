"""What is timed: each library's public dropout, called as its users call it.

Every JAX candidate is a function of a runtime key and of the data. torch runs eagerly on its own
generator (`torch_peer.py`).
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Literal

import jax
from jaxtyping import Array, Inexact, Key

import jaxdrop
from experiments.bench import torch_peer
from experiments.bench.programs import Apply, Case, Dtype, Program, compile_case

Name = Literal[
    "copy", "jaxdrop-8", "jaxdrop-16", "jaxdrop-32",
    "flax-nnx", "flax-linen", "haiku", "equinox", "keras", "torch",
]  # fmt: skip
Group = Literal["limit", "ours", "jax-peer", "peer"]


@dataclass(frozen=True)
class Candidate:
    """A dropout by name; `prepare` imports its library and gets it ready for a case."""

    name: Name
    group: Group
    prepare: Callable[[Case], Program]

    @property
    def is_peer(self) -> bool:
        """Whether it is somebody else's dropout."""
        return self.group in ("jax-peer", "peer")


def off(_: Key[Array, ""], x: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """No dropout."""
    return x


def copy(_: float, __: Dtype) -> Apply:
    """The memory limit: reads everything once, writes everything once."""
    return lambda key, x: x * 2


def ours(rate: float, _: Dtype, *, bits: int) -> Apply:
    """`jaxdrop.dropout`."""
    return lambda key, x: jaxdrop.dropout(key, x, rate, bits=bits)


def flax_nnx(rate: float, _: Dtype) -> Apply:
    """`flax.nnx.Dropout` with an explicit key."""
    layer = import_module("flax.nnx").Dropout(rate, deterministic=False)
    return lambda key, x: layer(x, rngs=key)


def flax_linen(rate: float, _: Dtype) -> Apply:
    """`flax.linen.Dropout`, applied without variables."""
    layer = import_module("flax.linen").Dropout(rate, deterministic=False)
    return lambda key, x: layer.apply({}, x, rngs={"dropout": key})


def haiku(rate: float, _: Dtype) -> Apply:
    """`haiku.dropout`."""
    dropout = import_module("haiku").dropout
    return lambda key, x: dropout(key, rate, x)


def equinox(rate: float, _: Dtype) -> Apply:
    """`equinox.nn.Dropout`."""
    layer = import_module("equinox.nn").Dropout(rate)
    return lambda key, x: layer(x, key=key)


def keras(rate: float, dtype: Dtype) -> Apply:
    """`keras.layers.Dropout` under `stateless_call`: its seed state is the key's two words."""
    os.environ["KERAS_BACKEND"] = "jax"
    library = import_module("keras")
    if library.backend.backend() != "jax":
        raise ImportError(f"keras was started with the backend {library.backend.backend()}")
    layer = library.layers.Dropout(rate, dtype=dtype)

    def apply(key: Key[Array, ""], x: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        return layer.stateless_call([], [jax.random.key_data(key)], x, training=True)[0]

    return apply


FACTORIES: dict[Name, tuple[Group, Callable[[float, Dtype], Apply]]] = {
    "copy": ("limit", copy),
    "jaxdrop-8": ("ours", partial(ours, bits=8)),
    "jaxdrop-16": ("ours", partial(ours, bits=16)),
    "jaxdrop-32": ("ours", partial(ours, bits=32)),
    "flax-nnx": ("jax-peer", flax_nnx),
    "flax-linen": ("jax-peer", flax_linen),
    "haiku": ("jax-peer", haiku),
    "equinox": ("jax-peer", equinox),
    "keras": ("jax-peer", keras),
}

COMPARED: tuple[Name, ...] = ("copy", "jaxdrop-8", "jaxdrop-16", "jaxdrop-32", "flax-nnx")
DROPOUTS: dict[str, tuple[Name, str]] = dict((name, (name, "threefry2x32")) for name in COMPARED)
DROPOUTS["flax-nnx rbg"] = ("flax-nnx", "rbg")
"""What accelerators are compared by: the candidate and the generator of its key."""


def labels(names: Iterable[Name], step: bool) -> list[str]:
    """Those with these names; in a training step with «off» in place of the copy, first."""
    chosen = [label for label, (name, _) in DROPOUTS.items() if name in names]
    return ["off", *(label for label in chosen if label != "copy")] if step else chosen


def dropout_of(label: str, rate: float, dtype: Dtype) -> tuple[Apply, str]:
    """One of those, or «off», and its generator."""
    name, generator = DROPOUTS.get(label, ("copy", "threefry2x32"))
    return off if label == "off" else FACTORIES[name][1](rate, dtype), generator


def _jax_candidate(name: Name) -> Candidate:
    group, factory = FACTORIES[name]
    return Candidate(name, group, lambda case: compile_case(factory(case.rate, case.dtype), case))


CANDIDATES: dict[Name, Candidate] = {name: _jax_candidate(name) for name in FACTORIES}
CANDIDATES["torch"] = Candidate("torch", "peer", torch_peer.prepare)


def installed(names: Iterable[Name], platform: str) -> tuple[list[Candidate], dict[Name, str]]:
    """Tries every candidate on a few elements: those that run, and why other peers do not."""
    probe, found, missing = Case((2, 2), "float32", "forward", 0.5, platform), [], {}
    for candidate in (CANDIDATES[name] for name in dict.fromkeys(names)):
        try:
            candidate.prepare(probe)
        except Exception as error:  # a broken installation may raise anything
            if not candidate.is_peer:
                raise
            missing[candidate.name] = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            found.append(candidate)
    return found, missing
