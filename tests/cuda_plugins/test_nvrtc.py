"""The choice of NVRTC."""

from __future__ import annotations

import pytest

from core.errors import UnavailableError
from cuda_plugins import nvrtc


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Record the requests to the linker, which finds nothing; a package has both versions."""
    asked = []

    def open_library(name):
        asked.append(name)
        raise OSError

    for version in ("12", "13"):
        folder = tmp_path / f"cu{version}" / "lib"
        folder.mkdir(parents=True)
        (folder / f"libnvrtc.so.{version}").touch()
    package = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(nvrtc.ctypes, "CDLL", open_library)
    monkeypatch.setattr(nvrtc.ctypes.util, "find_library", lambda name: "libnvrtc.so.13")
    monkeypatch.setattr(nvrtc.importlib.util, "find_spec", lambda name: package)
    nvrtc.library.cache_clear()
    yield asked
    nvrtc.library.cache_clear()


def names(asked):
    return [name.rpartition("/")[2] for name in asked]


def test_the_newest_where_any_will_do(opened):
    with pytest.raises(
        UnavailableError, match=r"^NVRTC, the compiler of CUDA sources, is not installed; pip install nvidia"
    ):
        nvrtc.library()
    assert names(opened[:3]) == ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]
    assert names(opened[-2:]) == ["libnvrtc.so.13", "libnvrtc.so.12"]


def test_that_of_tensorrts_cuda_and_no_other(opened):
    """A driver for CUDA 12 cannot read the PTX of NVRTC 13."""
    with pytest.raises(
        UnavailableError,
        match=r"^NVRTC of CUDA 12, the compiler .* is not installed; pip install nvidia-cuda-nvrtc-cu12,",
    ):
        nvrtc.library("12")
    assert names(opened) == ["libnvrtc.so.12"] * 2
