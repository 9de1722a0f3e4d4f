"""The TPUs and the GPU that XLA compiles for where there is none, and what it needs to do so.

Nothing here imports JAX, before which `ENVIRONMENT` must be set.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from experiments.errors import expect

Target = Literal["v5e", "v6e", "v5p", "h100"]

H100 = """
platform_name: "CUDA"
device_description_str: "NVIDIA H100 80GB HBM3"
dnn_version_info { major: 9 minor: 10 patch: 0 }
gpu_device_info {
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98 threads_per_warp: 32
  threads_per_block_limit: 1024 threads_per_core_limit: 2048
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472 l2_cache_size: 52428800
  device_memory_size: 84942979072 memory_bandwidth: 3352320000000
}
"""
TOPOLOGIES: dict[Target, dict[str, str]] = {
    "v5e": {"platform": "tpu", "topology_name": "v5e:2x2"},
    "v6e": {"platform": "tpu", "topology_name": "v6e:2x2"},
    "v5p": {"platform": "tpu", "topology_name": "v5p:2x2x1"},
    "h100": {
        "platform": "cuda",
        "topology_name": "h100",
        "topology": "1x1x1",
        "target_config": H100,
    },
}
PACKAGES = {"tpu": ("libtpu",), "cuda": ("jax-cuda12-plugin", "jax-cuda12-pjrt")}
EXTRAS = {"tpu": "tpu", "cuda": "cuda12-local"}
"""Extras of jax that bring the packages in the versions that fit its own, and no driver."""
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Looks for no devices, and lets several processes compile."""


def platform(target: Target) -> str:
    """The platform of a target: tpu or cuda."""
    return TOPOLOGIES[target]["platform"]


def require(targets: tuple[Target, ...]) -> None:
    """Names the packages that are missing, and the line that installs them."""
    for target in targets:
        missing = [name for name in PACKAGES[platform(target)] if not is_installed(name)]
        fix = f'pip install "jax[{EXTRAS[platform(target)]}]=={version("jax")}" brings it.'
        expect(not missing, f"a compiler for {target}", f"no {' and no '.join(missing)}", fix)


def is_installed(package: str) -> bool:
    """Whether a package is there."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def compiler(target: Target) -> str:
    """What compiles for a target, with versions."""
    package = PACKAGES[platform(target)][0]
    return f"jax {version('jax')}, {package} {version(package)}"
