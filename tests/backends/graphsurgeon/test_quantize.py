"""The quantizer ``qdq``: precisions, metadata, and tables that do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from backends.graphsurgeon.qdq import QdqQuantizer
from backends.ort.options import STYLE
from core.artifacts import CalibrationTable
from core.calibration import Ranges
from core.errors import HooklineError
from core.kinds.quantizer import QuantizeJob
from core.model_facts import Precision
from core.storage.digest import file_digest
from tests.support.quantize_tools import pictures, run, seen_ranges, tiny_detector


@pytest.fixture
def model(tmp_path):
    return tiny_detector(tmp_path / "tiny.onnx")


def quantize(model, table, target, *, precision, style):
    job = QuantizeJob(model=model, table=table, target=target, precision=precision, style=style)
    QdqQuantizer().quantize(job)


def table_for(made_for, folder, **changes):
    ranges = {
        "method": "minmax",
        "pictures": 16,
        "model": file_digest(made_for.path),
        "data": "d",
        "preprocessing": "p",
        "tensors": seen_ranges(onnx.load(made_for.path)),
    }
    Ranges(**{**ranges, **changes}).write(folder / "calibration.json")
    return CalibrationTable(path=folder / "calibration.json", method="minmax", pictures=16)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [(Precision.fp32, 0.0), (Precision.fp16, 5e-3), (Precision.int8, 0.08)]
)
def test_every_precision_runs_with_float32_ends(model, tmp_path, precision, tolerance):
    table = table_for(model, tmp_path) if precision is Precision.int8 else None
    target = tmp_path / "out.onnx"
    quantize(model, table, target, precision=precision, style=STYLE)
    written = onnx.load(target)
    kinds = {value.type.tensor_type.elem_type for value in [*written.graph.input, *written.graph.output]}
    assert kinds == {TensorProto.FLOAT}
    assert [value.name for value in written.graph.output] == ["p3", "p4"]
    assert {item.key for item in written.metadata_props} == {"stride", "names", "hookline"}
    for exact, found in zip(run(model.path, pictures(1)), run(target, pictures(1)), strict=True):
        assert np.abs(exact - found).max() <= tolerance


def test_fp16_holds_no_float32_weights_but_resize_factors(model, tmp_path):
    quantize(model, None, tmp_path / "half.onnx", precision=Precision.fp16, style=STYLE)
    graph = onnx.load(tmp_path / "half.onnx").graph
    assert {item.name for item in graph.initializer if item.data_type == TensorProto.FLOAT} <= {"factors"}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    half = {item.name for item in graph.initializer if item.data_type == TensorProto.FLOAT16}
    assert all(set(node.input[1:]) <= half for node in convolutions)


def test_fp16_refuses_weights_that_do_not_fit(model, tmp_path):
    graph = onnx.load(model.path)
    for tensor in graph.graph.initializer:
        if tensor.name == "b1.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.full(16, 1e5, np.float32), tensor.name))
    onnx.save(graph, model.path)
    with pytest.raises(HooklineError, match=r"weight 'b1\.bias' reaches 100000, above the float16 maximum 65504"):
        quantize(model, None, tmp_path / "half.onnx", precision=Precision.fp16, style=STYLE)
    assert not (tmp_path / "half.onnx").exists()


def test_int8_without_a_table(model, tmp_path):
    with pytest.raises(HooklineError, match="int8 needs a calibration table"):
        quantize(model, None, tmp_path / "q.onnx", precision=Precision.int8, style=STYLE)


def test_a_table_of_another_model(model, tmp_path):
    table = table_for(model, tmp_path, model="0" * 64)
    with pytest.raises(HooklineError, match=r"'calibration\.json' was made for another model.*again for 'tiny\.onnx'"):
        quantize(model, table, tmp_path / "q.onnx", precision=Precision.int8, style=STYLE)
    assert not (tmp_path / "q.onnx").exists()


@pytest.mark.parametrize("precision", list(Precision))
def test_a_model_of_that_precision_is_written_as_it_is(model, tmp_path, precision):
    quantize(replace(model, precision=precision), None, tmp_path / "same.onnx", precision=precision, style=STYLE)
    assert onnx.load(tmp_path / "same.onnx") == onnx.load(model.path)


def test_int8_for_a_runtime_without_a_style(model, tmp_path):
    with pytest.raises(HooklineError, match=r"has no Q/DQ rules for int8; set another backend .*set Runtime\.qdq"):
        quantize(model, table_for(model, tmp_path), tmp_path / "q.onnx", precision=Precision.int8, style=None)
