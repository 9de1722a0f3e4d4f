"""torch's own dropout: eager, on its own generator, backward through autograd."""

from importlib import import_module
from types import ModuleType
from typing import Any

from experiments.bench.programs import Case, Program


def prepare(case: Case) -> Program:
    """`torch.nn.functional.dropout` on the CPU, or its fused kernel on a CUDA device."""
    torch = import_module("torch")
    device = torch_device(torch, case.platform)
    dtype, backward = getattr(torch, case.dtype), case.kind == "forward-backward"
    x = torch.randn(case.shape, dtype=dtype, device=device).requires_grad_(backward)
    cotangent = torch.randn(case.shape, dtype=dtype, device=device)

    def call() -> Any:
        y = torch.nn.functional.dropout(x, case.rate, training=True)
        return (y, *torch.autograd.grad(y, x, cotangent)) if backward else y

    on_cpu = device == "cpu"  # which is done when a call returns
    return Program(call, lambda _: None if on_cpu else torch.cuda.synchronize(), not on_cpu)


def torch_device(torch: ModuleType, platform: str) -> str:
    """Torch's name for the kind of device that JAX runs on."""
    name = {"cpu": "cpu", "gpu": "cuda"}.get(platform)
    if name is None or (name == "cuda" and not torch.cuda.is_available()):
        raise ImportError(f"this torch does not run on {platform}")
    return name
