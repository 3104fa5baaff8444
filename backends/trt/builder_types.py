"""Protocols of the TensorRT objects that build an engine. The Python bindings have no type stubs.

The classes are named as in TensorRT, and TensorRT-RTX has the same. The module itself is a ``ModuleType``:
:mod:`backends.trt.capabilities` reads what a release has. Members of its enumerations are typed as ``object``.
"""

from __future__ import annotations

from typing import Protocol

from backends.trt.runtime_types import Dims, IHostMemory


class ITensor(Protocol):
    """A tensor in a network."""

    name: str

    def set_dynamic_range(self, low: float, high: float, /) -> bool:
        """Set the dynamic range. TensorRT removed this after release 10."""
        ...


class ILayer(Protocol):
    """A layer in a network."""

    num_outputs: int

    def get_output(self, index: int, /) -> ITensor:
        """Return an output."""
        ...


class INetworkDefinition(Protocol):
    """A network under construction."""

    builder: IBuilder
    num_inputs: int
    num_outputs: int
    num_layers: int

    def get_input(self, index: int, /) -> ITensor:
        """Return an input."""
        ...

    def get_layer(self, index: int, /) -> ILayer:
        """Return a layer."""
        ...


class IOptimizationProfile(Protocol):
    """The input shapes that an engine is built for."""

    def set_shape(self, name: str, low: Dims, opt: Dims, high: Dims, /) -> None:
        """Set the shapes of an input."""
        ...


class ITimingCache(Protocol):
    """Measured run times of kernels."""

    def combine(self, other: ITimingCache, ignore_mismatch: bool, /) -> bool:  # noqa: FBT001
        """Add the measurements of another cache."""
        ...

    def serialize(self) -> IHostMemory | None:
        """Return the cache as file content."""
        ...


class IBuilderConfig(Protocol):
    """The configuration of a build."""

    progress_monitor: object
    profiling_verbosity: object
    builder_optimization_level: int
    hardware_compatibility_level: object
    default_device_type: object
    DLA_core: int
    int8_calibrator: object
    num_compute_capabilities: int

    def set_flag(self, flag: object, /) -> None:
        """Set a ``trt.BuilderFlag``."""
        ...

    def clear_flag(self, flag: object, /) -> None:
        """Clear a ``trt.BuilderFlag``."""
        ...

    def set_memory_pool_limit(self, pool: object, size: int, /) -> None:
        """Limit the bytes of a ``trt.MemoryPoolType``."""
        ...

    def set_tactic_sources(self, sources: int, /) -> bool:
        """Set the sources of kernels: one bit per ``trt.TacticSource``."""
        ...

    def add_optimization_profile(self, profile: IOptimizationProfile, /) -> int:
        """Add a profile and return its number; a negative number if it is refused."""
        ...

    def set_calibration_profile(self, profile: IOptimizationProfile, /) -> bool:
        """Set the input shapes of the calibration."""
        ...

    def create_timing_cache(self, blob: bytes, /) -> ITimingCache | None:
        """Return the cache with this file content, empty for ``b""``; None if the content is damaged."""
        ...

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool, /) -> bool:  # noqa: FBT001
        """Set the cache to use."""
        ...

    def get_timing_cache(self) -> ITimingCache | None:
        """Return the cache in use."""
        ...

    def set_compute_capability(self, capability: object, index: int, /) -> bool:
        """Set one of ``num_compute_capabilities``. TensorRT-RTX only."""
        ...


class IBuilder(Protocol):
    """The builder of engines."""

    num_DLA_cores: int  # noqa: N815

    def create_network(self, flags: int, /) -> INetworkDefinition:
        """Return an empty network."""
        ...

    def create_builder_config(self) -> IBuilderConfig:
        """Return the default configuration."""
        ...

    def create_optimization_profile(self) -> IOptimizationProfile:
        """Return an empty profile; the builder owns it."""
        ...

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig, /) -> IHostMemory | None:
        """Return the content of a plan file; None if the build failed."""
        ...


class IParserError(Protocol):
    """An error of the ONNX parser."""

    def node_name(self) -> str:
        """Return the name of the node."""
        ...

    def node_operator(self) -> str:
        """Return the operator of the node."""
        ...

    def desc(self) -> str:
        """Return the description of the error."""
        ...


class IOnnxParser(Protocol):
    """The ONNX parser."""

    num_errors: int

    def parse(self, model: bytes, /) -> bool:
        """Parse a serialised ONNX model into the network."""
        ...

    def get_error(self, index: int, /) -> IParserError:
        """Return an error."""
        ...
