"""Check the inspection of engines against the real bindings (run by test_inspection.py)."""

from __future__ import annotations

import pytest
import tensorrt as trt


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (trt.ICudaEngine.create_engine_inspector, "create_engine_inspector(self: "),
        (trt.ICudaEngine.create_execution_context, "strategy: tensorrt.tensorrt.ExecutionContextAllocationStrategy"),
        (trt.EngineInspector.get_engine_information, "format: tensorrt.tensorrt.LayerInformationFormat) -> str"),
        (trt.IExecutionContext.set_input_shape, "name: str, shape: "),
    ],
)
def test_functions(function: object, words: str) -> None:
    assert words in str(function.__doc__)


def test_the_context_of_an_inspector_can_be_set() -> None:
    found = trt.EngineInspector.execution_context
    assert isinstance(found, property)
    assert found.fset is not None


def test_enumerations() -> None:
    assert trt.LayerInformationFormat.JSON != trt.LayerInformationFormat.ONELINE
    assert trt.ExecutionContextAllocationStrategy.USER_MANAGED != trt.ExecutionContextAllocationStrategy.STATIC
