"""What the benchmark is asked to time: a frozen dataclass that checks itself."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import jax

from experiments.bench.candidates import Name
from experiments.bench.large_steps import Step
from experiments.bench.programs import Dtype, Kind
from experiments.bench.targets import Target
from experiments.errors import InputError, expect
from experiments.words import Unset

Section = Literal[
    "dropout", "training-step", "compile-time", "import-time", "eager",
    "attention", "large-steps", "layers", "compiled",
]  # fmt: skip
Device = Literal["cpu", "gpu", "tpu"]

TIMED: tuple[Section, ...] = get_args(Section)[:-4]
SHAPES = ("4096x4096", "64x512x512", "256x32x32x64", "128x10", "1000x16777")
COMPILED_SHAPES = ("4096x4096", "16x2048x1024", "1000x16777", "16777216", "2x8388608")


@dataclass(frozen=True)
class Bench:
    """Times jaxdrop against other libraries and against a plain copy, in turn in one process."""

    sections: tuple[Section, ...] = TIMED
    """What to time: the dropout alone, a training step, compilation, the import, eager calls; or
    `attention`, with the memory that it takes; or `large-steps`, of the size that an accelerator
    trains; or `layers`: memory of a training step of twelve layers of attention; or `compiled`:
    what is compiled for the targets, which need not be there, and not run."""
    shapes: Unset[tuple[str, ...]] = None
    """Shapes of the data; by default five, of which `compiled` has some of its own."""
    dtypes: Unset[tuple[Dtype, ...]] = None
    """Data types; by default float32 and bfloat16, and for `compiled` bfloat16."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    """The dropout alone, or together with its gradient."""
    candidates: tuple[Name, ...] = get_args(Name)
    """What is compared; `copy` is `x * 2`, the limit that memory sets."""
    rate: float = 0.1
    """Probability to drop; the training step drops half, whatever is given here."""
    repeats: int = 7
    """Samples of each candidate; of what takes seconds, compilation and import, at most 3."""
    batches: tuple[int, ...] = (128, 512, 2048)
    """Batch sizes of the training step."""
    lengths: tuple[int, ...] = (1024, 2048, 4096, 8192)
    """Queries and keys of the attention, and tokens of the layers."""
    sites: int = 48
    """Dropout sites of the model whose compilation is timed."""
    targets: tuple[Target, ...] = get_args(Target)
    """What `compiled` compiles for."""
    steps: tuple[Step, ...] = get_args(Step)
    """Those of `large-steps`, and what `compiled` compiles beside the dropout alone."""
    device: Unset[Device] = None
    """Where to run; by default where JAX runs."""
    smoke: bool = False
    """Only try it out, in seconds: one small shape, batch and model, two samples each."""

    def __post_init__(self) -> None:
        """Checks the numbers and the shapes."""
        fix = "A rate is the probability to drop: to keep nine in ten, pass 0.1."
        expect(0 < self.rate < 1, "a --rate above 0 and below 1", self.rate, fix)
        for flag in ("repeats", "sites"):
            expect(getattr(self, flag) >= 1, f"--{flag} of 1 or more", getattr(self, flag))
        for flag in ("batches", "lengths"):
            for size in getattr(self, flag):
                expect(size >= 1, f"--{flag} of 1 or more", size)
        for flag, value in vars(self).items():
            expect(flag == "steps" or value != (), f"at least one of --{flag}", "none")
        for shape in self.shapes or ():
            parse_shape(shape)

    def resolved(self) -> "Bench":
        """What is really run: itself, or the small selection of `--smoke`."""
        small = {"shapes": ("64x64",), "repeats": 2, "batches": (16,), "sites": 2, "steps": ()}
        return replace(self, **small, lengths=(64,)) if self.smoke else self

    @property
    def slow_repeats(self) -> int:
        """Samples of what takes seconds: compilations and imports."""
        return min(self.repeats, 3)

    def data(self, section: Section) -> Iterator[tuple[tuple[int, ...], Dtype]]:
        """The shapes and dtypes of a section: those that were given, or its own."""
        shapes = COMPILED_SHAPES if section == "compiled" else SHAPES
        dtypes = ("bfloat16",) if section == "compiled" else get_args(Dtype)
        for shape, dtype in product(self.shapes or shapes, self.dtypes or dtypes):
            yield parse_shape(shape), dtype


@dataclass(frozen=True)
class Output:
    """Where the results go."""

    output: Unset[Path] = None
    """Folder of the run; by default runs/bench, with --smoke runs/bench-smoke."""
    overwrite: bool = False
    """Replace the run that the folder holds; a smoke run is replaced anyway."""

    def folder(self, smoke: bool) -> Path:
        """That one."""
        return self.output or Path("runs", "bench-smoke" if smoke else "bench")


def parse_shape(text: str) -> tuple[int, ...]:
    """4096x4096 as (4096, 4096)."""
    sizes = text.split("x")
    valid = all(size.isdecimal() and int(size) > 0 for size in sizes)
    expect(valid, "--shapes like 4096x4096", repr(text), "Join the sizes with an x.")
    shape = tuple(map(int, sizes))
    expect(math.prod(shape) < 2**31, "fewer than 2**31 elements in --shapes", repr(text))
    return shape


def find_device(kind: Device | None) -> Any:
    """The first `jax.Device` of a kind."""
    try:
        return jax.devices(kind)[0]
    except RuntimeError as error:
        there = ", ".join(sorted({device.platform for device in jax.devices()}))
        message = f"Expected a device of --device {kind}; got {there} alone."
        raise InputError(f"{message} Install the jax build for it, or pick another.") from error
