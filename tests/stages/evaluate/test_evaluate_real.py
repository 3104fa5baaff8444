"""The accuracy of yolov5n on real images equals that of other tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.cv.plugin import hookline_processors
from backends.ort.plugin import hookline_runtimes
from backends.yolov5.plugin import hookline_models
from core.artifacts import OnnxModel
from core.data.data_yaml import read_data_yaml
from core.media.choices import MAX_PIXELS
from core.model_facts import InputContract, ModelFacts
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.evaluating import evaluate_model
from tests.support.stage_tools import make_context


@pytest.mark.slow
def test_map_of_yolov5n(tmp_path: Path, shared_data: Path) -> None:
    context, memory = make_context(
        tmp_path,
        models=list(hookline_models()),
        runtimes=list(hookline_runtimes()),
        processors=list(hookline_processors()),
    )
    file = shared_data / "coco_subset" / "data.yaml"
    model = OnnxModel(
        path=shared_data / "weights" / "yolov5n-v7.0-640-op13.onnx",
        facts=ModelFacts("yolov5", "yolov5n", read_data_yaml(file).names, (8, 16, 32)),
        contract=InputContract(1, 640, 640),
        layout="classic",
    )
    config = EvaluateConfig(
        conf=None,
        iou=None,
        max_det=300,
        classes=None,
        single_class=False,
        imgsz=640,
        processor="opencv",
        max_pixels=MAX_PIXELS,
    )
    values = evaluate_model(
        config, model, dataset(DatasetConfig(str(file), max_pixels=MAX_PIXELS, imgsz=640), context), context
    ).values
    assert values["map50_95"] == pytest.approx(0.339, abs=0.001)
    assert values["map50"] == pytest.approx(0.523, abs=0.001)
    assert (values["pictures"], values["instances"]) == (128, 898)
    assert [
        warning for warning in memory.warnings if "unseen-class" not in warning and "untrained-class" not in warning
    ] == []
