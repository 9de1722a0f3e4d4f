"""Eight simulated devices, quick compilation and strict promotion, set before JAX starts."""

import os
import sys

# The tests compile some thousand small programs, so LLVM optimises none of them. Golden masks are
# drawn once more as users compile them (test_masks.py), and the slow tests are too large for this.
quick = [] if "slow" in sys.argv else ["--xla_backend_optimization_level=0"]
devices = ["--xla_force_host_platform_device_count=8"]
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *quick, *devices])

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
