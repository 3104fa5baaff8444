"""What a quantizer from outside writes is checked, and a fault names its plugin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.artifacts import OnnxModel
from core.containment.calls import Fault, PluginError
from core.containment.failures import faults_of
from core.containment.model_results import check_model
from core.model_facts import Precision
from tests.support import grid_family
from tests.support.fake_parts import runtime_part
from tests.support.stage_tools import make_context


def _copy(model: OnnxModel, target: Path) -> None:
    target.write_bytes(model.path.read_bytes())


def _changed(change: Callable[[onnx.ModelProto], object]) -> Callable[[OnnxModel, Path], object]:
    def write(model: OnnxModel, target: Path) -> None:
        loaded = onnx.load(model.path)
        change(loaded)
        onnx.save(loaded, target)

    return write


def _drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[-1]


def _cut_a_wire(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nothing_gives_this"


def _halve_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def _drop_metadata(model: onnx.ModelProto) -> None:
    kept = [item for item in model.metadata_props if item.key != "stride"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)


def _rename_classes(model: onnx.ModelProto) -> None:
    next(item for item in model.metadata_props if item.key == "names").value = "{0: 'x', 1: 'y'}"


def _add_pair(model: onnx.ModelProto) -> None:
    """Quantise the input, as :class:`hookline_chip.quantizer.InputOnly` does."""
    scale = onnx.numpy_helper.from_array(np.array(0.5, np.float32), "scale")
    model.graph.initializer.append(scale)
    model.graph.node[0].input[0] = "dequantized"
    for number, (kind, given, made) in enumerate(
        [("QuantizeLinear", "images", "quantized"), ("DequantizeLinear", "quantized", "dequantized")]
    ):
        model.graph.node.insert(number, onnx.helper.make_node(kind, [given, "scale"], [made]))


def _halve_weight(model: onnx.ModelProto) -> None:
    """Keep one weight in float16, cast where it is used."""
    zero = next(tensor for tensor in model.graph.initializer if tensor.name == "zero")
    zero.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(zero).astype(np.float16), "half"))
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["half"], ["zero"], to=onnx.TensorProto.FLOAT))


def _shrink_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 32


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda _model, _target: None, r"did not write 'made\.onnx'"),
        (lambda _model, target: target.mkdir(), r"must write .* not as a link or a folder"),
        (lambda model, target: target.symlink_to(model.path), r"must write .* not as a link or a folder"),
        (lambda _model, target: target.write_bytes(b""), r"wrote an unusable file: 'made\.onnx' is damaged"),
        (lambda _model, target: target.write_bytes(b"\x00no model" * 99), "wrote an unusable file"),
        (_changed(_cut_a_wire), "wrote an unusable file: .*nothing_gives_this"),
        (_changed(_drop_output), r"must keep the outputs \['s8 FLOAT \[1, 6, 8, 12\]', 's16 .*\], but wrote \['s8 "),
        (_changed(_shrink_input), r"must keep the inputs .*\[1, 3, 64, 96\]'\], but wrote .*\[1, 3, 32, 96\]'\]"),
        (_changed(_halve_output), r"must keep the outputs \['s8 FLOAT .*, but wrote \['s8 FLOAT16 "),
        (_changed(_drop_metadata), r"must keep the metadata of the model, but dropped 'stride'"),
        (_changed(_rename_classes), r"must keep the metadata of the model, but changed 'names'"),
        (_copy, "must give precision=int8, but wrote a model without Q/DQ pairs and int8 tensors"),
    ],
)
def test_a_model_that_a_quantizer_wrote(
    tmp_path: Path, write: Callable[[OnnxModel, Path], object], expected: str
) -> None:
    model, target = grid_family.write_onnx(tmp_path / "grid.onnx"), tmp_path / "made.onnx"
    context, _ = make_context(tmp_path, runtimes=[runtime_part("fake")])
    write(model, target)
    with pytest.raises(PluginError, match=rf"tests 0 \(plugin 'tests'\): backend 'fake': {expected}"):  # noqa: SIM117
        with faults_of("runtimes", "fake", context.registry):
            check_model(target, model, Precision.int8)


@pytest.mark.parametrize(
    ("write", "precision"),
    [(_copy, Precision.fp32), (_changed(_add_pair), Precision.int8), (_changed(_halve_weight), Precision.fp16)],
)
def test_a_good_model_passes(tmp_path: Path, write: Callable[[OnnxModel, Path], object], precision: Precision) -> None:
    model, target = grid_family.write_onnx(tmp_path / "grid.onnx"), tmp_path / "made.onnx"
    write(model, target)
    check_model(target, model, precision)


def test_a_copy_of_a_model_that_has_the_precision_passes(tmp_path: Path) -> None:
    model, target = grid_family.write_onnx(tmp_path / "grid.onnx"), tmp_path / "made.onnx"
    _copy(model, target)
    check_model(target, replace(model, precision=Precision.int8), Precision.int8)
    with pytest.raises(Fault, match="must give precision=fp16, but wrote a model without float16 tensors"):
        check_model(target, model, Precision.fp16)
