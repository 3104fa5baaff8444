"""Protocols of the TensorRT objects that run an engine. See :mod:`backends.trt.builder_types`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Dims = Sequence[int]


class IHostMemory(Protocol):
    """Bytes owned by TensorRT; ``bytes()`` copies them."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class IExecutionContext(Protocol):
    """The state of one inference."""

    def set_device_memory(self, memory: int, size: int, /) -> None:
        """Set the scratch memory."""
        ...

    def set_input_shape(self, name: str, shape: Dims, /) -> bool:
        """Set the shape of an input."""
        ...

    def infer_shapes(self) -> Sequence[str]:
        """Infer the shapes of the outputs. Return the inputs without a shape."""
        ...

    def set_tensor_address(self, name: str, memory: int, /) -> bool:
        """Set the address of an input or output."""
        ...

    def get_tensor_shape(self, name: str, /) -> Dims:
        """Return the shape of an input or output; a negative size depends on the data."""
        ...

    def execute_async_v3(self, stream: int, /) -> bool:
        """Enqueue an inference."""
        ...


class IRuntimeCache(Protocol):
    """The kernels that TensorRT-RTX compiles while an engine runs."""

    def serialize(self) -> IHostMemory | None:
        """Return the cache as file content."""
        ...

    def deserialize(self, blob: bytes, /) -> bool:
        """Read file content into the cache."""
        ...


class IRuntimeConfig(Protocol):
    """The configuration of an execution context. TensorRT-RTX only."""

    def set_execution_context_allocation_strategy(self, strategy: object, /) -> None:
        """Set a ``trt.ExecutionContextAllocationStrategy``."""
        ...

    def create_runtime_cache(self) -> IRuntimeCache:
        """Return an empty cache."""
        ...

    def set_runtime_cache(self, cache: IRuntimeCache, /) -> bool:
        """Set the cache to use."""
        ...


class IEngineInspector(Protocol):
    """The inspector of the layers of an engine."""

    execution_context: IExecutionContext

    def get_engine_information(self, layout: object, /) -> str:
        """Return the description of the layers in a ``trt.LayerInformationFormat``."""
        ...


class EnumMember(Protocol):
    """A member of an enumeration."""

    @property
    def name(self) -> str:
        """Return the name."""
        ...


class ICudaEngine(Protocol):
    """A deserialised engine."""

    num_io_tensors: int
    device_memory_size_v2: int

    def create_execution_context(self, how: object, /) -> IExecutionContext | None:
        """Return a context. ``how``: a ``trt.ExecutionContextAllocationStrategy`` or an :class:`IRuntimeConfig`."""
        ...

    def create_runtime_config(self) -> IRuntimeConfig:
        """Return the default configuration. TensorRT-RTX only."""
        ...

    def create_engine_inspector(self) -> IEngineInspector:
        """Return the inspector of this engine."""
        ...

    def get_tensor_name(self, index: int, /) -> str:
        """Return the name of an input or output."""
        ...

    def get_tensor_mode(self, name: str, /) -> object:
        """Return the ``trt.TensorIOMode``: input or output."""
        ...

    def get_tensor_dtype(self, name: str, /) -> EnumMember:
        """Return the ``trt.DataType``."""
        ...

    def get_tensor_shape(self, name: str, /) -> Dims:
        """Return the shape; -1 for a dynamic dimension."""
        ...

    def get_tensor_profile_shape(self, name: str, profile: int, /) -> Sequence[Dims]:
        """Return the minimum, optimum and maximum shape of an input."""
        ...


class IRuntime(Protocol):
    """The deserialiser of engines."""

    engine_host_code_allowed: bool
    DLA_core: int

    def deserialize_cuda_engine(self, plan: bytes, /) -> ICudaEngine | None:
        """Return the engine of a plan; None if it is refused."""
        ...
