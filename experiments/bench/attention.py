"""Attention with dropout and without: time of a call, and memory of its compiled program."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Key

import jaxdrop
from experiments.bench import measure
from experiments.bench.measure import Row, Tick
from experiments.bench.programs import Dtype, Kind, Program, forward_backward
from experiments.bench.torch_peer import torch_device

Attend = Callable[[Key[Array, ""], Array, Array, Array], Array]
Attention = Literal[
    "jaxdrop", "jaxdrop, off", "jaxdrop, causal", "unfused", "flax-nnx", "jax.nn, off",
    "torch", "torch, off",
]  # fmt: skip
HEADS, FEATURES, RATE = 8, 64, 0.1
WHOLE = 4096
"""Queries at most of those that hold all weights: at twice as many they take 9 GiB."""


@dataclass(frozen=True)
class Comparison:
    """Self-attention of one example, of so many queries and keys."""

    length: int
    dtype: Dtype
    kind: Kind
    platform: str

    @property
    def title(self) -> str:
        """In words."""
        return f"attention, {self.length} {self.dtype}, {self.kind.replace('-', ' + ')}"

    @property
    def candidates(self) -> list[Attention]:
        """Those that fit in memory."""
        fused = ("jaxdrop", "jaxdrop, off", "jaxdrop, causal")
        return [name for name in get_args(Attention) if name in fused or self.length <= WHOLE]


def _unfused(key: Key[Array, ""], query: Array, keys: Array, values: Array) -> Array:
    logits = jnp.einsum("btnh,bsnh->bnts", query, keys) / FEATURES**0.5
    weights = jaxdrop.attention_dropout(key, jax.nn.softmax(logits), RATE)
    return jnp.einsum("bnts,bsnh->btnh", weights, values)


def _flax(key: Key[Array, ""], *data: Array) -> Array:
    options: dict[str, Any] = {"dropout_rate": RATE, "broadcast_dropout": False}
    return nnx.dot_product_attention(*data, dropout_rng=key, **options)  # pyright: ignore


def _ours(key: Key[Array, ""], *data: Array, rate: float = RATE, **options: Any) -> Array:
    query, keys, values = data
    return jaxdrop.dot_product_attention(key, query, keys, values, rate, **options)


ATTENDS: dict[Attention, Attend] = {
    "jaxdrop": _ours,
    "jaxdrop, off": partial(_ours, rate=0.0),
    "jaxdrop, causal": partial(_ours, is_causal=True),
    "unfused": _unfused,
    "flax-nnx": _flax,
    "jax.nn, off": lambda key, *data: jax.nn.dot_product_attention(*data),  # pyright: ignore
}


def rows(comparison: Comparison, repeats: int, tick: Tick) -> list[Row]:
    """One row a candidate that is there, in turn, with ratios to what it is measured by."""
    programs, mebibytes = {}, {}
    for name in comparison.candidates:
        try:
            prepare = _prepare_torch if name.startswith("torch") else _prepare
            programs[name], mebibytes[name] = prepare(name, comparison)
        except ImportError:  # torch is not there
            continue
    seconds = measure.interleave(programs, repeats, tick)
    over = {"times_jax": "jax.nn, off", "times_unfused": "unfused", "times_off": "jaxdrop, off"}
    return [
        measure.row(
            {**asdict(comparison), "candidate": name},
            samples,
            **{ratio: measure.ratio(seconds, name, [other]) for ratio, other in over.items()},
            mebibytes=mebibytes[name],
        )
        for name, samples in seconds.items()
    ]


def _prepare(name: Attention, comparison: Comparison) -> tuple[Program, float | None]:
    shape, own = (1, comparison.length, HEADS, FEATURES), jax.random.split(jax.random.key(0), 5)
    data = [jax.random.normal(key, shape, comparison.dtype) for key in own[:4]]
    attend = ATTENDS[name]
    if comparison.kind == "forward-backward":
        function = forward_backward(attend)
    else:
        function = lambda key, *data: attend(key, *data[:3])  # noqa: E731
    program = jax.jit(function).lower(own[4], *data).compile()
    memory: Any = program.memory_analysis()
    call = partial(program, own[4], *data)
    queues = comparison.platform != "cpu"
    return Program(call, jax.block_until_ready, queues), memory.temp_size_in_bytes / 2**20


def _prepare_torch(name: Attention, comparison: Comparison) -> tuple[Program, float | None]:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    torch = import_module("torch")
    device, dtype = torch_device(torch, comparison.platform), getattr(torch, comparison.dtype)
    backward, rate = comparison.kind == "forward-backward", 0.0 if "off" in name else RATE
    numbers = np.random.default_rng(0).normal(size=(4, 1, HEADS, comparison.length, FEATURES))
    *data, cotangent = torch.tensor(numbers, dtype=dtype, device=device)
    data = [x.requires_grad_(backward) for x in data]

    def call() -> Any:
        out = torch.nn.functional.scaled_dot_product_attention(*data, dropout_p=rate)
        return torch.autograd.grad(out, data, cotangent) if backward else out

    return Program(call, lambda _: None if device == "cpu" else torch.cuda.synchronize()), None
