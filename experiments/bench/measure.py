"""Timing candidates in turn, and what the timings say."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from experiments.bench.programs import Program

T = TypeVar("T")
Row = dict[str, Any]
Tick = Callable[[], object]

SAMPLE_SECONDS = 20e-3
"""A sample lasts at least about so long: short calls are timed many at once."""


@dataclass(frozen=True)
class Summary:
    """Seconds of a call over the repeats of a run."""

    median: float
    minimum: float
    spread: float
    """Distance between the quartiles, as a share of the median."""


def in_turn(
    names: Iterable[str], repeats: int, take: Callable[[str], T], tick: Tick
) -> dict[str, list[T]]:
    """A sample of each in turn: A B C A B C …, so many times."""
    samples: dict[str, list[T]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, taken in samples.items():
            taken.append(take(name))
            tick()
    return samples


def interleave(
    programs: Mapping[str, Program], repeats: int, tick: Tick = lambda: None
) -> dict[str, list[float]]:
    """Seconds a call: one sample of each candidate in turn, after a warm-up.

    Before each sample a call is not timed, so that none pays for the memory that another gave back.
    """
    calls = {name: calls_per_sample(program) for name, program in programs.items()}

    def take(name: str) -> float:
        sample(programs[name])
        return sample(programs[name], calls[name])

    return in_turn(programs, repeats, take, tick)


def sample(program: Program, calls: int = 1) -> float:
    """Seconds a call; what a call returned is freed before the next sample begins."""
    start, result = time.perf_counter(), None
    for _ in range(calls):
        result = program.call()
        if not program.queues:
            program.wait(result)
    program.wait(result)
    return (time.perf_counter() - start) / calls


def calls_per_sample(program: Program) -> int:
    """Warms up with two calls, and counts how many of them fill a sample."""
    seconds = min(sample(program), sample(program))
    return max(1, math.ceil(SAMPLE_SECONDS / seconds))


def summary(seconds: list[float]) -> Summary:
    """Median, minimum and spread of the samples."""
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return Summary(float(median), min(seconds), float((high - low) / median))


def row(named: Row, seconds: list[float], **figures: object) -> Row:
    """What was timed, its summary, figures besides, and every sample."""
    return {**named, **asdict(summary(seconds)), **figures, "seconds": seconds}


def paired_overhead(seconds: list[float], baseline: list[float]) -> Summary:
    """What a step costs over the baseline, each sample against the baseline's of its round."""
    shares = np.asarray(seconds) / np.asarray(baseline) - 1
    low, median, high = np.percentile(shares, [25, 50, 75])
    return Summary(float(median), float(shares.min()), float(high - low))


def ratio(seconds: Mapping[str, list[float]], name: str, others: list[str]) -> float | None:
    """Median over the smallest median of the others; None where none of them was timed."""
    medians = [summary(seconds[other]).median for other in others if other in seconds]
    return summary(seconds[name]).median / min(medians) if medians else None
