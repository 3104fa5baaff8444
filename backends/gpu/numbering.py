"""From a GPU that NVML told to its number in CUDA."""

from __future__ import annotations

from backends.nvidia.devices import Gpu, choose, ordinal, prepare_environment
from cuda_plugins import loading


def cuda_number(gpu: Gpu) -> int:
    """The number by which CUDA knows a GPU in this process, where it is started by that.

    Raises:
        UnavailableError: CuPy is not there, or CUDA does not see the GPU.
    """
    prepare_environment(gpu)  # names an instance of MIG to CUDA, which the import starts
    return ordinal(gpu, loading.import_cupy().cuda.runtime)


def chosen_number(device: str) -> int:
    """The same for the GPU that ``device=`` chooses: for ``auto`` the one with most free memory.

    Raises:
        HooklineError: It is not there, or CuPy cannot use it.
    """
    return cuda_number(choose(device))
