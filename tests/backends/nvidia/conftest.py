"""Isolate the tests from NVML and the environment of the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pynvml
import pytest

from backends.nvidia import gpu


@pytest.fixture(autouse=True)
def fresh_nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No NVML library until ``install_nvml``, no GPU chosen yet, and nothing hidden."""

    def load() -> None:
        if pynvml.nvmlLib is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "_LoadNvmlLibrary", load)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(gpu, "_auto", [])
    monkeypatch.setattr(gpu, "_original", {})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    gpu._visible_gpus.cache_clear()
    yield
    gpu._visible_gpus.cache_clear()
    pynvml._nvmlGetFunctionPointer_cache.clear()
