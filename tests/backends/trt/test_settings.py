"""Each runtime option reaches the builder configuration; unsupported ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from backends.trt.library import Library, adopt
from backends.trt.options import Hardware, TrtOptions
from backends.trt.settings import GIB, apply_options
from core.errors import HooklineError
from tests.backends.trt.fake_tensorrt import fake_tensorrt


def configured(major: int = 10, script: dict[str, Any] | None = None, **options: Any) -> tuple[Library, Any]:
    trt = fake_tensorrt(major, **(script or {}))
    library = adopt(trt)
    config = trt.IBuilderConfig()
    config.trt = trt
    apply_options(library, config, TrtOptions(**options))
    return library, config


def test_what_is_not_asked_for_is_left_to_tensorrt():
    library, config = configured()
    assert config.settings == {"profiling_verbosity": library.trt.ProfilingVerbosity.DETAILED}
    assert (config.pools, config.flags, config.sources) == ({}, {}, None)


@pytest.mark.parametrize("gib", [4, 0.5])
def test_workspace(gib):
    library, config = configured(workspace=gib)
    assert config.pools == {library.trt.MemoryPoolType.WORKSPACE: gib * GIB}


@pytest.mark.parametrize("level", [0, 5])
def test_optimization_level(level):
    assert configured(optimization_level=level)[1].settings["builder_optimization_level"] == level


def test_tf32():
    library, config = configured(tf32=False)
    assert config.flags == {library.trt.BuilderFlag.TF32: False}


def test_tactic_sources():
    _, config = configured(tactic_sources=["cublas", "CUDNN"])
    assert config.sources == 0b101


def test_no_tactic_sources():
    assert configured(tactic_sources=[])[1].sources == 0


@pytest.mark.parametrize("hardware", [Hardware.ampere_plus, Hardware.same_compute_capability])
def test_hardware(hardware):
    library, config = configured(hardware=hardware)
    level = config.settings["hardware_compatibility_level"]
    assert level is library.trt.HardwareCompatibilityLevel[hardware.name.upper()]


def test_version_compatible():
    library, config = configured(11, version_compatible=True)
    assert config.flags == {library.trt.BuilderFlag.VERSION_COMPATIBLE: True}


def test_dla():
    library, config = configured(dla=1)
    assert config.flags == {library.trt.BuilderFlag.GPU_FALLBACK: True}
    assert config.settings["default_device_type"] is library.trt.DeviceType.DLA
    assert config.settings["DLA_core"] == 1


@pytest.mark.parametrize(
    ("major", "options", "words"),
    [
        (
            11,
            {"tactic_sources": ["CUBLAS"]},
            r"unknown tactic source of TensorRT 11.* 'CUBLAS'.*EDGE_MASK_CONVOLUTIONS",
        ),
        (10, {"tactic_sources": ["CUDN"]}, "did you mean .*CUDNN"),
    ],
)
def test_refusals(major, options, words):
    with pytest.raises(HooklineError, match=words):
        configured(major, **options)


def test_tactic_sources_that_tensorrt_refuses():
    with pytest.raises(HooklineError, match="refuses the tactic sources CUDNN; remove runtimes"):
        configured(script={"tactics": False}, tactic_sources=["CUDNN"])


@pytest.mark.parametrize(
    ("gone", "options", "word"),
    [
        ("HardwareCompatibilityLevel", {"hardware": Hardware.ampere_plus}, "hardware=ampere_plus"),
        ("DeviceType", {"dla": 0}, "dla"),
        ("BuilderFlag", {"version_compatible": True}, "version_compatible"),
    ],
)
def test_what_a_release_does_not_have(gone, options, word):
    trt = fake_tensorrt(11)
    config = trt.IBuilderConfig()
    setattr(trt, gone, object())
    with pytest.raises(HooklineError, match=rf"TensorRT 11\.0\.0\.0 does not support runtimes\.tensorrt\.{word}; "):
        apply_options(adopt(trt), config, TrtOptions(**options))
