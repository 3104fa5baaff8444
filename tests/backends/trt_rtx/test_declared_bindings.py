"""The protocols of TensorRT's objects declare members that the real bindings have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends.trt import builder_types, runtime_types

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")

CALLED = {
    "EnumMember": "DataType",
    "IBuilder": "Builder",
    "IEngineInspector": "EngineInspector",
    "IOnnxParser": "OnnxParser",
    "IParserError": "ParserError",
    "IRuntime": "Runtime",
}
"""The class of a protocol with another name."""
REMOVED = {
    "ITensor.set_dynamic_range",
    "IBuilderConfig.int8_calibrator",
    "IBuilderConfig.set_calibration_profile",
}
"""Members that TensorRT removed after release 10."""


def declared() -> Iterator[tuple[str, str]]:
    for module in (builder_types, runtime_types):
        for protocol in vars(module).values():
            if getattr(protocol, "_is_protocol", False) and protocol.__module__ == module.__name__:
                public = {name for name in vars(protocol) if not name.startswith("_")}
                yield from ((protocol.__name__, name) for name in sorted(public | set(protocol.__annotations__)))


@pytest.mark.parametrize(("protocol", "member"), list(declared()))
def test_the_bindings_have_what_a_protocol_states(protocol: str, member: str) -> None:
    real = getattr(trt, CALLED.get(protocol, protocol))
    assert hasattr(real, member) or f"{protocol}.{member}" in REMOVED


def test_members_are_found_at_all() -> None:
    assert {("ICudaEngine", "num_io_tensors"), ("IBuilderConfig", "set_flag")} <= set(declared())
