"""Timing candidates in turn, and what the timings say."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.bench.programs import Program

SAMPLE_SECONDS = 20e-3
"""A sample lasts at least about so long: short calls are timed many at once."""


@dataclass(frozen=True)
class Summary:
    """Seconds of a call over the repeats of a run."""

    median: float
    minimum: float
    spread: float
    """Distance between the quartiles, as a share of the median."""


def interleave(
    programs: Mapping[str, Program], repeats: int, tick: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Seconds a call: one sample of each candidate in turn, A B C A B C …, after a warm-up.

    Before each sample a call is not timed, so that none pays for the memory that another gave back.
    """
    calls = {name: calls_per_sample(program) for name, program in programs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            sample(program)
            seconds[name].append(sample(program, calls[name]))
            tick()
    return seconds


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


def paired_overhead(seconds: list[float], baseline: list[float]) -> Summary:
    """What a step costs over the baseline, each sample against the baseline's of its round."""
    shares = np.asarray(seconds) / np.asarray(baseline) - 1
    low, median, high = np.percentile(shares, [25, 50, 75])
    return Summary(float(median), float(shares.min()), float(high - low))


def ratio(seconds: Mapping[str, list[float]], name: str, others: list[str]) -> float | None:
    """Median over the smallest median of the others; None where none of them was timed."""
    medians = [summary(seconds[other]).median for other in others if other in seconds]
    return summary(seconds[name]).median / min(medians) if medians else None
