"""Eight simulated devices, quick compilation and strict promotion, set before JAX starts."""

import gc
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from tempfile import TemporaryDirectory

# The tests compile some thousand small programs, so they are compiled in the quickest way. Golden
# masks are drawn once more as users compile them (test_masks.py), and the slow tests are too large.
DEVICES = "--xla_force_host_platform_device_count=8"
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
if version("jaxlib").startswith("0.10."):  # a third less time; later ones know no other way
    QUICK += " --xla_cpu_use_fusion_emitters=false"
if {"slow", "compiled"} & {*sys.argv}:
    QUICK = ""
flags = os.environ.get("XLA_FLAGS", "")
if DEVICES not in flags:  # the workers of one run inherit them, and what one of them compiled
    os.environ["XLA_FLAGS"] = f"{flags} {DEVICES} {QUICK}"
    PROGRAMS = TemporaryDirectory(ignore_cleanup_errors=True)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", PROGRAMS.name)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
if "compiled" in sys.argv:
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # what they read is what compiling gives
    from experiments.bench.targets import ENVIRONMENT

    os.environ.update(ENVIRONMENT)

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_traceback_filtering", "off")  # it takes most of the time of a refusal
gc.set_threshold(50_000, 50)  # tracing makes many objects and few circles: a tenth of the time


COMPILED: list[str] = []


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Forgets what was compiled: the more programs live, the longer each further one takes."""
    yield
    if len(COMPILED) > 300:  # files that compile little share what they compile
        jax.clear_caches()
        COMPILED.clear()


def _note(event: str, *_: object, **__: object) -> None:
    if event.endswith("backend_compile_duration"):
        COMPILED.append(event)


jax.monitoring.register_event_duration_secs_listener(_note)
