"""Map a GPU of NVML to its CUDA device number."""

from __future__ import annotations

from backends.nvidia.devices import Gpu, choose, ordinal, prepare_environment
from cuda_plugins import loading


def cuda_number(gpu: Gpu) -> int:
    """Return the CUDA device number of a GPU in this process. Starts CUDA.

    Raises:
        UnavailableError: CuPy is not installed, or CUDA does not see the GPU.
    """
    prepare_environment(gpu)  # selects a MIG instance before the import starts CUDA
    return ordinal(gpu, loading.import_cupy().cuda.runtime)


def chosen_number(device: str) -> int:
    """Return the CUDA device number of the GPU that ``device=`` names; ``auto``: the one with most free memory.

    Raises:
        HooklineError: The GPU does not exist, or CuPy cannot use it.
    """
    return cuda_number(choose(device))
