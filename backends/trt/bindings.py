"""What we use of TensorRT's objects. Its Python bindings, those of TensorRT-RTX as well, have no type stubs.

The classes are called as in TensorRT. The module itself is a ``ModuleType``: releases differ in what it has, which
:mod:`backends.trt.capabilities` reads. Members of its enumerations are ``object``: they are compared and passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Dims = Sequence[int]


class IHostMemory(Protocol):
    """Bytes that TensorRT owns; ``bytes()`` copies them."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class ITensor(Protocol):
    """A tensor of a network."""

    name: str

    def set_dynamic_range(self, low: float, high: float, /) -> bool:
        """Set its range; removed after release 10."""
        ...


class ILayer(Protocol):
    """A layer of a network."""

    num_outputs: int

    def get_output(self, index: int, /) -> ITensor:
        """Return one of its outputs."""
        ...


class INetworkDefinition(Protocol):
    """A network that is being defined."""

    builder: IBuilder
    num_inputs: int
    num_outputs: int
    num_layers: int

    def get_input(self, index: int, /) -> ITensor:
        """Return one of its inputs."""
        ...

    def get_layer(self, index: int, /) -> ILayer:
        """Return one of its layers."""
        ...


class IOptimizationProfile(Protocol):
    """The sizes of inputs that an engine is built for."""

    def set_shape(self, name: str, low: Dims, opt: Dims, high: Dims, /) -> None:
        """Set the sizes of an input."""
        ...


class ITimingCache(Protocol):
    """Measurements of kernels."""

    def combine(self, other: ITimingCache, ignore_mismatch: bool, /) -> bool:  # noqa: FBT001
        """Add the measurements of another one."""
        ...

    def serialize(self) -> IHostMemory | None:
        """Return the content of a file."""
        ...


class IBuilderConfig(Protocol):
    """How an engine is built."""

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
        """Limit a ``trt.MemoryPoolType`` to so many bytes."""
        ...

    def set_tactic_sources(self, sources: int, /) -> bool:
        """Choose where kernels come from, one bit each."""
        ...

    def add_optimization_profile(self, profile: IOptimizationProfile, /) -> int:
        """Return the number of the profile; negative where it is refused."""
        ...

    def set_calibration_profile(self, profile: IOptimizationProfile, /) -> bool:
        """Set the sizes that are calibrated with."""
        ...

    def create_timing_cache(self, blob: bytes, /) -> ITimingCache | None:
        """Return the cache of a file's content, empty for ``b""``; None where it cannot be read."""
        ...

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool, /) -> bool:  # noqa: FBT001
        """Use a cache."""
        ...

    def get_timing_cache(self) -> ITimingCache | None:
        """Return the cache in use."""
        ...

    def set_compute_capability(self, capability: object, index: int, /) -> bool:
        """Set one of ``num_compute_capabilities``; of TensorRT-RTX."""
        ...


class IBuilder(Protocol):
    """Builds engines."""

    num_DLA_cores: int  # noqa: N815

    def create_network(self, flags: int, /) -> INetworkDefinition:
        """Return an empty network."""
        ...

    def create_builder_config(self) -> IBuilderConfig:
        """Return the defaults."""
        ...

    def create_optimization_profile(self) -> IOptimizationProfile:
        """Return an empty profile, which the builder owns."""
        ...

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig, /) -> IHostMemory | None:
        """Return the content of a plan file; None where it fails."""
        ...


class IParserError(Protocol):
    """What the parser of ONNX files refuses."""

    def node_name(self) -> str:
        """Return the name of the node."""
        ...

    def node_operator(self) -> str:
        """Return its operator."""
        ...

    def desc(self) -> str:
        """Return what is wrong."""
        ...


class IOnnxParser(Protocol):
    """The parser of ONNX files."""

    num_errors: int

    def parse(self, model: bytes, /) -> bool:
        """Read a model into the network."""
        ...

    def get_error(self, index: int, /) -> IParserError:
        """Return one of the errors."""
        ...


class IExecutionContext(Protocol):
    """The state of one inference at a time."""

    def set_device_memory(self, memory: int, size: int, /) -> None:
        """Give it memory to compute in."""
        ...

    def set_input_shape(self, name: str, shape: Dims, /) -> bool:
        """Set the shape of an input."""
        ...

    def infer_shapes(self) -> Sequence[str]:
        """Return the inputs whose shape is missing."""
        ...

    def set_tensor_address(self, name: str, memory: int, /) -> bool:
        """Set where an input or output lies."""
        ...

    def get_tensor_shape(self, name: str, /) -> Dims:
        """Return the shape of an input or output; negative where it depends on the data."""
        ...

    def execute_async_v3(self, stream: int, /) -> bool:
        """Enqueue an inference."""
        ...


class IRuntimeCache(Protocol):
    """What TensorRT-RTX compiles while an engine runs."""

    def serialize(self) -> IHostMemory | None:
        """Return the content of a file."""
        ...

    def deserialize(self, blob: bytes, /) -> bool:
        """Take the content of a file."""
        ...


class IRuntimeConfig(Protocol):
    """How a context of TensorRT-RTX is made."""

    def set_execution_context_allocation_strategy(self, strategy: object, /) -> None:
        """Set a ``trt.ExecutionContextAllocationStrategy``."""
        ...

    def create_runtime_cache(self) -> IRuntimeCache:
        """Return an empty cache."""
        ...

    def set_runtime_cache(self, cache: IRuntimeCache, /) -> bool:
        """Use a cache."""
        ...


class IEngineInspector(Protocol):
    """Describes the layers of an engine."""

    execution_context: IExecutionContext

    def get_engine_information(self, layout: object, /) -> str:
        """Return the description in a ``trt.LayerInformationFormat``."""
        ...


class EnumMember(Protocol):
    """A member of an enumeration of the bindings."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...


class ICudaEngine(Protocol):
    """An engine on a GPU."""

    num_io_tensors: int
    device_memory_size_v2: int

    def create_execution_context(self, how: object, /) -> IExecutionContext | None:
        """Return a context; ``how`` is a ``trt.ExecutionContextAllocationStrategy`` or an :class:`IRuntimeConfig`."""
        ...

    def create_runtime_config(self) -> IRuntimeConfig:
        """Return the defaults; of TensorRT-RTX."""
        ...

    def create_engine_inspector(self) -> IEngineInspector:
        """Return what describes the layers."""
        ...

    def get_tensor_name(self, index: int, /) -> str:
        """Return the name of an input or output."""
        ...

    def get_tensor_mode(self, name: str, /) -> object:
        """Return its ``trt.TensorIOMode``."""
        ...

    def get_tensor_dtype(self, name: str, /) -> EnumMember:
        """Return its ``trt.DataType``."""
        ...

    def get_tensor_shape(self, name: str, /) -> Dims:
        """Return its shape; -1 for a free side."""
        ...

    def get_tensor_profile_shape(self, name: str, profile: int, /) -> Sequence[Dims]:
        """Return the least, usual and greatest shape of an input."""
        ...


class IRuntime(Protocol):
    """Opens engines."""

    engine_host_code_allowed: bool
    DLA_core: int

    def deserialize_cuda_engine(self, plan: bytes, /) -> ICudaEngine | None:
        """Return the engine of a plan; None where it is refused."""
        ...
