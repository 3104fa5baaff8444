"""Layer precisions from the engine inspector's output, in the documented forms of TensorRT 10 and 11."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from backends.trt.inspection import EngineLayer, check_precisions, inspect, read_layers
from backends.trt.library import Library
from backends.trt.logger import Journal
from backends.trt.opened_engine import OpenedEngine
from backends.trt.settings import SizeProfile
from core.errors import HooklineError
from core.model_facts import Precision
from tests.backends.trt.bindings import Bindings
from tests.backends.trt.engines import NOTHING

PROFILE = SizeProfile("images", (1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))
LONG = {
    "int8": "Thirty-two wide channel vectorized row major Int8 format",
    "fp16": "Channel major FP16 format where channel % 8 == 0",
    "fp32": "Row major linear FP32 format (kLINEAR)",
}
"""With an execution context."""
SHORT = {"int8": "Int8", "fp16": "Half", "fp32": "Float"}
"""Without one."""


def tensor(major: int, precision: str, *, context: bool = True) -> dict[str, Any]:
    text = (LONG if context else SHORT)[precision]
    if major == 10:
        return {"Name": "x", "Dimensions": [1, 64, 80, 80], "Format/Datatype": text}
    return {"Name": "x", "Dimensions": [1, 64, 80, 80], "Format": text, "DataType": SHORT[precision]}


def layer(
    major: int, kind: str, inputs: tuple[str, ...], output: str, name: str = "", *, context: bool = True, **more: Any
) -> dict[str, Any]:
    return {
        "Name": name or f"{kind} of {','.join(inputs)}",
        "LayerType": kind,
        "Inputs": [tensor(major, word, context=context) for word in inputs],
        "Outputs": [tensor(major, output, context=context)],
        "TacticName": "a_kernel",
        **more,
    }


def told(major: int, *layers: Any) -> str:
    tensors = {"Bindings": ["images", "boxes"]} if major == 10 else {"I/O Tensors": [{"Name": "images"}]}
    return json.dumps({"Layers": list(layers), **tensors})


def convolutions(*precisions: str) -> tuple[EngineLayer, ...]:
    return tuple(EngineLayer(f"conv{i}", "CaskConvolution", word, heavy=True) for i, word in enumerate(precisions))


@pytest.mark.parametrize("major", [10, 11])
@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("precision", SHORT)
def test_precision_of_a_layer(major, context, precision):
    (found,) = read_layers(told(major, layer(major, "CaskConvolution", (precision,), "fp32", "conv", context=context)))
    assert found == EngineLayer("conv", "CaskConvolution", precision, heavy=True)


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("BFloat16", "bf16"),
        ("Row major linear BF16 format (kLINEAR)", "bf16"),
        ("Float16", "fp16"),
        ("FP8", "fp8"),
        ("UInt8", "unknown"),
        ("Row major Int32 format", "unknown"),
        ("Bool", "unknown"),
        ("N/A due to dynamic shapes", "unknown"),
    ],
)
@pytest.mark.parametrize("key", ["Format/Datatype", "DataType", "Datatype"])
def test_words_of_types(key, text, precision):
    entry = {"Name": "a", "LayerType": "kgen", "Inputs": [{"Name": "x", key: text}]}
    assert read_layers(told(10, entry))[0].precision == precision


@pytest.mark.parametrize("inputs", [("int8", "fp16"), ("fp16", "int8")])
def test_a_sum_in_higher_precision_does_not_hide_int8(inputs):
    assert read_layers(told(10, layer(10, "CaskConvolution", inputs, "fp16")))[0].precision == "int8"


@pytest.mark.parametrize(
    ("entry", "precision"),
    [
        ({"Inputs": [{"Name": "x"}], "Weights": {"Type": "Int8"}, "Outputs": [{"DataType": "Half"}]}, "int8"),
        ({"Inputs": [], "Outputs": [{"DataType": "Half"}]}, "fp16"),
        ({"Weights": "none"}, "unknown"),
        ({"Inputs": ["x"], "Outputs": ["y"]}, "unknown"),
    ],
)
def test_where_inputs_tell_nothing(entry, precision):
    assert read_layers(told(10, {"Name": "a", "LayerType": "conv", **entry}))[0].precision == precision


@pytest.mark.parametrize(
    ("entry", "heavy"),
    [
        ({"LayerType": "CaskConvolution"}, True),
        ({"LayerType": "correlation"}, True),
        ({"LayerType": "gemm"}, True),
        ({"LayerType": "Runner", "ParameterType": "Convolution"}, True),
        ({"LayerType": "fusion", "TacticName": "sm80_xmma_fprop_implicit_gemm_i8i8_i8i32_f32"}, True),
        ({"LayerType": "fusion", "TacticName": "pointwise"}, False),
        ({"LayerType": "Conversion"}, False),
        ({"LayerType": "kgen"}, False),
        ({"LayerType": "CaskPooling"}, False),
        ({"LayerType": "PluginV3"}, False),
    ],
)
def test_where_the_work_is(entry, heavy):
    assert read_layers(told(10, entry))[0].heavy is heavy


def test_layers_that_only_move_data_are_left_out():
    kinds = ["Reformat", "NoOp", "Constant", "Shuffle", "signal", "CaskPooling"]
    assert [found.kind for found in read_layers(told(11, *({"LayerType": kind} for kind in kinds)))] == ["CaskPooling"]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"Layers": null}'])
def test_what_is_no_description(text):
    with pytest.raises(HooklineError, match="TensorRT's description of the engine cannot be read"):
        read_layers(text)


@pytest.mark.parametrize(("wanted", "precisions"), [("int8", ["fp16", "fp32"]), ("fp16", ["fp32"] * 2)])
def test_an_engine_that_is_not_what_was_asked_for(wanted, precisions):
    words = rf"the engine does not run in {wanted}: all of its 2 computing layers run in {', '.join(set(precisions))}"
    if wanted == "int8":
        words = r"the engine does not run in int8: all of its 2 computing layers run in fp16, fp32; see docs/tensorrt"
    with pytest.raises(HooklineError, match=words):
        check_precisions(convolutions(*precisions), Precision(wanted))


def test_a_plugin_in_int8_makes_no_int8_engine():
    layers = (*convolutions("fp16"), EngineLayer("pool", "CaskPooling", "int8", heavy=False))
    with pytest.raises(HooklineError, match="does not run in int8"):
        check_precisions(layers, Precision.int8)


@pytest.mark.parametrize("wanted", ["int8", "fp16"])
@pytest.mark.parametrize("layers", [["stem/Conv + SiLU", "head/Conv"], []])
def test_names_alone_cannot_tell(wanted, layers):
    words = rf"cannot check that the engine runs in {wanted}: .* built with ProfilingVerbosity.DETAILED"
    with pytest.raises(HooklineError, match=words):
        check_precisions(read_layers(told(10, *layers)), Precision(wanted))


def test_float32_needs_no_proof():
    found = check_precisions(read_layers(told(11, "stem/Conv")), Precision.fp32)
    assert (found.higher, found.warning) == ((), "")
    assert check_precisions(convolutions("fp32", "fp32"), Precision.fp32).warning == ""


def test_layers_that_stayed_in_higher_precision_are_named():
    found = check_precisions(convolutions("int8", "int8", "fp16", "int8", "fp32"), Precision.int8)
    assert found.higher == ("conv2", "conv4")
    assert found.warning == ""
    assert str(found) == "convolutions: 3 in int8, 1 in fp16, 1 in fp32; in higher precision: conv2, conv4"


def test_a_line_names_a_few():
    found = check_precisions(convolutions(*["int8"] * 8, *["fp16"] * 7), Precision.int8)
    assert str(found).endswith("in higher precision: conv8, conv9, conv10, conv11, conv12 and 2 more")


@pytest.mark.parametrize(("higher", "doubt"), [(2, False), (3, True)])
def test_few_layers_in_what_was_asked_for_are_doubted(higher, doubt):
    found = check_precisions(convolutions("int8", "int8", *["fp16"] * higher), Precision.int8)
    words = "only 2 of 5 convolutions run in int8; in higher precision: conv2, conv3, conv4"
    assert found.warning == (words if doubt else "")


def test_lower_than_asked_for_is_as_good():
    assert check_precisions(convolutions("int8", "fp16"), Precision.fp16).higher == ()


def test_content_of_the_file():
    layers = (*convolutions("int8", "fp16"), EngineLayer("pool", "CaskPooling", "fp16", heavy=False))
    content = json.loads(json.dumps(check_precisions(layers, Precision.int8).content()))
    assert content["precision"] == "int8"
    assert content["convolutions"] == {"int8": 1, "fp16": 1}
    assert content["all"] == {"fp16": 2, "int8": 1}
    assert content["higher"] == ["conv1"]
    assert content["layers"][2] == {"name": "pool", "kind": "CaskPooling", "precision": "fp16", "heavy": False}


class Context:
    def __init__(self, *, takes: bool) -> None:
        self.takes, self.shapes = takes, {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        return self.takes


def opened(context: Context | None = None) -> tuple[OpenedEngine, SimpleNamespace]:
    inspector = SimpleNamespace(execution_context=None, get_engine_information=lambda form: f"told in {form}")
    engine = SimpleNamespace(create_engine_inspector=lambda: inspector)
    trt = SimpleNamespace(
        LayerInformationFormat=SimpleNamespace(JSON="JSON"),
        ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user's"),
    )
    journal = Journal()

    def create_execution_context(strategy: str) -> Context | None:
        assert strategy == "user's"
        journal.add(1, "its reason")
        return context

    engine.create_execution_context = create_execution_context
    library = Library(trt, "TensorRT", "10.16", NOTHING, SimpleNamespace(journal=journal))
    return OpenedEngine(library, None, engine), inspector


def test_free_sizes_are_settled_for_the_inspection():
    context = Context(takes=True)
    found, inspector = opened(context)
    assert inspect(found, PROFILE) == "told in JSON"
    assert inspector.execution_context is context
    assert context.shapes == {"images": PROFILE.opt}


def test_a_static_engine_needs_no_context():
    found, inspector = opened()
    assert inspect(found, None) == "told in JSON"
    assert inspector.execution_context is None


@pytest.mark.parametrize("context", [None, Context(takes=False)])
def test_no_context_for_the_inspection(context):
    with pytest.raises(HooklineError, match="the engine does not accept inputs of 1x3x8x8 2x3x8x8 4x3x8x8: its reason"):
        inspect(opened(context)[0], PROFILE)


def test_over_the_bindings(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/backends/trt/over_bindings_inspection.py")
