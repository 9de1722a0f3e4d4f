"""Eight simulated devices, quick compilation and strict promotion, set before JAX starts."""

import os
import sys

# The tests compile some thousand small programs, so LLVM optimises none of them. Golden masks are
# drawn once more as users compile them (test_masks.py), and the slow tests are too large for this.
DEVICES = "--xla_force_host_platform_device_count=8"
QUICK = "" if {"slow", "compiled"} & {*sys.argv} else "--xla_backend_optimization_level=0"
flags = os.environ.get("XLA_FLAGS", "")
if DEVICES not in flags:  # the workers of one run inherit them
    os.environ["XLA_FLAGS"] = f"{flags} {DEVICES} {QUICK}"
if "compiled" in sys.argv:
    from experiments.bench.targets import ENVIRONMENT

    os.environ.update(ENVIRONMENT)

import jax  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
