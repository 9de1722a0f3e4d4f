"""From a dropout to something that can be timed: compiled ahead, fed with runtime arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Key

Kind = Literal["forward", "forward-backward"]
Dtype = Literal["float32", "bfloat16"]
Apply = Callable[[Key[Array, ""], Inexact[Array, "*shape"]], Inexact[Array, "*shape"]]


@dataclass(frozen=True)
class Case:
    """One comparison: the same data, the same direction, for every candidate."""

    shape: tuple[int, ...]
    dtype: Dtype
    kind: Kind
    rate: float
    platform: str
    """cpu, gpu or tpu: JAX's default device is one of it."""

    @property
    def title(self) -> str:
        """What is compared, in words."""
        shape = "x".join(map(str, self.shape))
        return f"{shape} {self.dtype}, {self.kind.replace('-', ' + ')}"


@dataclass(frozen=True)
class Program:
    """A call that may return before its work is done, and how to wait for its result."""

    call: Callable[[], Any]
    wait: Callable[[Any], object]
    queues: bool = False
    """Calls run one after the other on the device, so that waiting for the last one is enough."""


def compile_case(apply: Apply, case: Case) -> Program:
    """Compiles a JAX dropout for a case, with key, data and cotangent as runtime arguments."""
    function = apply if case.kind == "forward" else forward_backward(apply)
    return compile_program(function, jax_inputs(case), case.platform)


def compile_program(function: Callable[..., Any], arguments: tuple, platform: str) -> Program:
    """Compiles a function of runtime arguments ahead of its first call."""
    compiled = jax.jit(function).lower(*arguments).compile()
    return Program(lambda: compiled(*arguments), jax.block_until_ready, queues=platform != "cpu")


def forward_backward(apply: Callable[..., Array]) -> Callable[..., tuple[Array, ...]]:
    """The output and all gradients, all returned: nothing of them can be left out."""

    def both(key: Key[Array, ""], *data: Array) -> tuple[Array, ...]:
        *inputs, cotangent = data
        y, pull = jax.vjp(partial(apply, key), *inputs)
        return y, *pull(cotangent)

    return both


def jax_inputs(case: Case) -> tuple[Array, ...]:
    """Key, data and, for the backward pass, cotangent."""
    keys = jax.random.split(jax.random.key(0), 3)
    x, cotangent = (jax.random.normal(k, case.shape, jnp.dtype(case.dtype)) for k in keys[1:])
    arguments = (keys[0], x) if case.kind == "forward" else (keys[0], x, cotangent)
    return jax.block_until_ready(arguments)
