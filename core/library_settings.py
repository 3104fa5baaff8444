"""Environment variables of libraries, set before the libraries are imported; what the user has set stays."""

from __future__ import annotations

import os

from core.context import cache_home

_SETTINGS = {
    # CUDA reads these when it starts, in whichever library that is. cuda:N is the GPU that nvidia-smi calls N.
    "CUDA_MODULE_LOADING": "LAZY",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    # Without it, ONNX Runtime writes a device id to ~/.cache/Microsoft and reports usage.
    "ORT_DISABLE_TELEMETRY": "1",
}
_CACHES = {"MPLCONFIGDIR": "matplotlib", "CUPY_CACHE_DIR": "cupy", "TORCHINDUCTOR_CACHE_DIR": "torchinductor"}


def set_libraries() -> None:
    """Set what CUDA and ONNX Runtime read when they start."""
    for variable, value in _SETTINGS.items():
        os.environ.setdefault(variable, value)


def keep_caches_here() -> None:
    """Keep the caches of libraries in the cache folder of hookline."""
    for variable, folder in _CACHES.items():
        os.environ.setdefault(variable, str(cache_home() / folder))
