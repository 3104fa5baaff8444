"""The stage quantize: the way to int8, and what each precision needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.artifacts import CalibrationTable, OnnxModel
from core.errors import HooklineError
from core.model_facts import Precision
from stages.calibrate import calibrate
from stages.quantize import quantize
from stages.quantize import select as select_for_precision
from stages.quantize.config import QuantizeConfig
from tests.support.calibrate_tools import config, shipped_context, write_images
from tests.support.quantize_tools import pictures, run, tiny_detector


@pytest.fixture
def context(tmp_path):
    return shipped_context(tmp_path / "run")


@pytest.fixture
def model(tmp_path):
    return tiny_detector(tmp_path / "tiny.onnx")


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / "pictures")


def quantising(precision, backend="onnxruntime", quantizer="qdq"):
    return QuantizeConfig(precision=precision, backend=backend, quantizer=quantizer)


@pytest.mark.parametrize(("calibrator", "tolerance"), [("minmax", 0.08), ("percentile", 0.08), ("entropy", 0.3)])
def test_the_way_to_int8(context, model, folder, calibrator, tolerance):
    table = calibrate(config(source=str(folder), calibrator=calibrator), model, None, context[0])
    quantised = quantize(quantising(Precision.int8), model, table, context[0])
    assert (quantised.precision, quantised.runtime, quantised.layout) == (Precision.int8, "onnxruntime", "heads")
    assert quantised.path == context[0].workdir / "tiny-int8.onnx"
    feed = pictures(1, seed=5)
    for exact, rounded in zip(run(model.path, feed), run(quantised.path, feed), strict=True):
        assert np.abs(exact - rounded).max() < tolerance


def test_precision_says_what_is_needed(context, model):
    assert set(select_for_precision(quantising(Precision.int8), context[0])) == {OnnxModel, CalibrationTable}
    assert set(select_for_precision(quantising(Precision.fp16), context[0])) == {OnnxModel}
    classic = replace(model, layout="classic")
    with pytest.raises(HooklineError, match=r"layout classic cannot be converted to fp16; .*export\.layout=heads"):
        quantize(quantising(Precision.fp16), classic, None, context[0])
    same = quantize(quantising(Precision.fp32), model, None, context[0])
    np.testing.assert_array_equal(run(same.path, pictures(1))[0], run(Path(model.path), pictures(1))[0])
