"""Check sessions against the real bindings (run by test_opening.py)."""

from __future__ import annotations

import pytest
import tensorrt as trt

from backends.trt.library import adopt
from backends.trt.opened_engine import TYPES
from backends.trt.opening import _runtime, register_ahead_of_time
from core.errors import HooklineError
from tests.backends.trt.engines import FakeContext, FakeEngine


def public(kind: type) -> list[str]:
    return [name for name in vars(kind) if not name.startswith("_") and callable(getattr(kind, name))]


@pytest.mark.parametrize("name", public(FakeEngine))
def test_engine(name: str) -> None:
    assert callable(getattr(trt.ICudaEngine, name))


@pytest.mark.parametrize("name", ["num_io_tensors", "device_memory_size_v2"])
def test_facts_of_an_engine(name: str) -> None:
    assert isinstance(getattr(trt.ICudaEngine, name), property)


@pytest.mark.parametrize("name", public(FakeContext))
def test_context(name: str) -> None:
    assert callable(getattr(trt.IExecutionContext, name))


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (trt.IExecutionContext.execute_async_v3, "stream_handle"),
        (trt.IExecutionContext.set_device_memory, "memory: typing.SupportsInt, size: "),
        (trt.ICudaEngine.create_execution_context, "strategy: tensorrt.tensorrt.ExecutionContextAllocationStrategy"),
        (trt.IExecutionContext.set_tensor_address, "name: str, memory: "),
        (trt.IExecutionContext.set_input_shape, "name: str, shape: "),
        (trt.ICudaEngine.get_tensor_profile_shape, "name: str, profile_index: "),
        (trt.Runtime.deserialize_cuda_engine, "serialized_engine"),
    ],
)
def test_arguments(function: object, signature: str) -> None:
    assert signature in str(function.__doc__)


def test_types() -> None:
    assert set(TYPES) <= set(trt.DataType.__members__)
    assert {"INPUT", "OUTPUT"} <= set(trt.TensorIOMode.__members__)
    assert isinstance(trt.Runtime.engine_host_code_allowed, property)


def test_a_runtime_that_does_not_start() -> None:
    with pytest.raises(HooklineError, match="does not start"):
        _runtime(adopt(trt))


def test_the_plugin_can_be_put_into_the_engine() -> None:
    assert adopt(trt).capabilities.ahead_of_time
    with pytest.raises(AttributeError, match="all_creators"):  # of the registry, which the empty libraries do not have
        register_ahead_of_time(adopt(trt))
