"""A family without anchors through load, export, ONNX Runtime, processors and evaluate, with its own formula."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from backends.cv.plugin import hookline_processors
from backends.ort.plugin import hookline_runtimes
from backends.yolov5.plugin import hookline_models
from core.artifacts import Checkpoint, Dataset, OnnxModel
from core.detections import Filter
from core.errors import HooklineError
from core.inference.open_model import open_model
from core.kinds.context import RunContext
from core.kinds.model import ModelFamily
from core.media.choices import MAX_PIXELS
from core.model_facts import InputContract, Preprocessing
from core.storage.metadata import ModelMetadata, OnnxSignature
from core.storage.sidecar import write_sidecar
from core.storage.store import complete
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.evaluating import evaluate_model
from stages.export import check_inputs, export
from stages.export.config import ExportConfig
from stages.load import load
from tests.support import grid_family
from tests.support.dataset_tools import write_dataset
from tests.support.media_tools import make_picture
from tests.support.stage_tools import load_config, make_context


class Backend:
    """The implementation of the family: exports a file that always outputs the same objects."""

    def __init__(self, change: Any = lambda model: None) -> None:
        self.change = change

    def export(self, checkpoint: Checkpoint, target: Path, *, contract: InputContract, layout: str, opset: int) -> None:
        grid_family.write_onnx(target, ours=False)
        model = onnx.load(target)
        self.change(model)
        onnx.save(model, target)

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Any:
        return Session(contract)


class Session:
    facts, layout, score_threshold = grid_family.FACTS, grid_family.LAYOUT, 0.0

    def __init__(self, contract: InputContract) -> None:
        self.contract = contract

    def run(self, images: Any) -> dict[str, Any]:
        return {name: np.repeat(value, len(images), 0) for name, value in grid_family.objects().items()}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None: ...


def context_in(folder: Path, family: ModelFamily | None = None) -> RunContext:
    parts = {
        "models": [*hookline_models(), family or grid_family.family(load=Backend)],
        "runtimes": list(hookline_runtimes()),
        "processors": list(hookline_processors()),
    }
    return make_context(folder, **parts)[0]


def test_boxes_of_a_foreign_file(tmp_path: Path) -> None:
    """Its family recognises it, and the head of the family finds the boxes."""
    context = context_in(tmp_path)
    grid_family.write_onnx(tmp_path / "x.onnx", ours=False)
    model = load(load_config(str(tmp_path / "x.onnx")), context)
    assert isinstance(model, OnnxModel)
    assert (model.facts.family, model.layout) == ("grid", "grid")
    processor = context.processor("opencv")
    with open_model(model, context) as session:
        images, places = processor.prepare([make_picture(64, 96)], session.contract)
        (found,) = processor.detect(
            session.run(images), context.head(session.facts, session.layout), places, Filter(conf=0.5)
        )
    assert found.boxes.tolist() == [[16, 8, 40, 40], [0, 16, 64, 64]]
    assert found.classes.tolist() == [0, 1]


def test_a_foreign_file_is_prepared_as_its_family_does(tmp_path: Path) -> None:
    values = Preprocessing(padding="top_left", channels="bgr", scale=1.0)
    context = context_in(tmp_path, grid_family.family(preprocessing=values))
    grid_family.write_onnx(tmp_path / "x.onnx", ours=False)
    model = load(load_config(str(tmp_path / "x.onnx")), context)
    assert isinstance(model, OnnxModel)
    assert model.contract == values.contract(batch=1, height=64, width=96)


def test_only_wanted_classes(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    head = context.head(grid_family.FACTS, "grid")
    _, places = context.processor("opencv").prepare([make_picture(64, 96)], InputContract(1, 64, 96))
    wanted = Filter(conf=0.2, classes=(1,), multi_label=True)
    (found,) = context.processor("opencv").detect(grid_family.objects(), head, places, wanted)
    assert found.scores.tolist() == pytest.approx([0.6, 0.3])
    assert set(found.classes.tolist()) == {1}


def test_a_file_that_no_family_recognises_is_refused_in_one_line(tmp_path: Path) -> None:
    """Raw outputs are never decoded by the rule of another family."""
    context = context_in(tmp_path, grid_family.family(recognise=lambda: None))
    grid_family.write_onnx(tmp_path / "x.onnx", ours=False)
    with pytest.raises(HooklineError, match=r"no model family recognises '.*' by its outputs s8 \[1, ") as caught:
        load(load_config(str(tmp_path / "x.onnx")), context)
    assert "(families: yolov5, grid)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_families_that_take_one_file(tmp_path: Path) -> None:
    def other(signature: OnnxSignature) -> ModelMetadata:
        return ModelMetadata(replace(grid_family.FACTS, family="other"), signature.contract, grid_family.LAYOUT)

    parts = {"models": [grid_family.family(), grid_family.family(name="other", recognise=other)]}
    grid_family.write_onnx(tmp_path / "x.onnx", ours=False)
    with pytest.raises(HooklineError, match=r"several model families recognise '.*': grid, other; disable"):
        load(load_config(str(tmp_path / "x.onnx")), make_context(tmp_path, **parts)[0])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"facts": replace(grid_family.FACTS, family="yolov5")}, "must return the family 'grid', not 'yolov5'"),
        ({"layout": "decoded"}, r"must return one of the layouts \('grid',\), not 'decoded'"),
    ],
)
def test_a_family_answers_for_itself_alone(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    """A file that a family assigns to another one would be decoded by the rules of that one."""

    def recognise(signature: OnnxSignature) -> ModelMetadata:
        return replace(ModelMetadata(grid_family.FACTS, signature.contract, grid_family.LAYOUT), **changes)

    grid_family.write_onnx(tmp_path / "x.onnx", ours=False)
    context, _ = make_context(tmp_path, models=[grid_family.family(recognise=recognise)])
    with pytest.raises(HooklineError, match=expected):
        load(load_config(str(tmp_path / "x.onnx")), context)


@pytest.mark.parametrize("sidecar", [True, False])
def test_a_model_of_a_family_that_is_not_installed(tmp_path: Path, sidecar: bool) -> None:
    model = grid_family.write_onnx(tmp_path / "x.onnx", ours=not sidecar)
    if sidecar:
        write_sidecar(complete(model))
    context, _ = make_context(tmp_path, models=list(hookline_models()))
    with pytest.raises(HooklineError, match=r"unknown model family 'grid'.*install its plugin"):
        load(load_config(str(model.path)), context)


def test_facts_that_the_family_refuses(tmp_path: Path) -> None:
    model = grid_family.write_onnx(tmp_path / "x.onnx")
    write_sidecar(complete(replace(model, facts=replace(model.facts, head={"anchors": [[1.0, 2.0]]}))))
    with pytest.raises(HooklineError, match="a grid needs no facts of its head"):
        load(load_config(str(model.path)), context_in(tmp_path))


def checkpoint_in(folder: Path) -> Checkpoint:
    path = folder / "x.safetensors"
    path.write_bytes(b"weights")
    return Checkpoint(path=path, facts=grid_family.FACTS)


def test_the_exported_file_has_the_shapes_of_the_head(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    model = export(ExportConfig(imgsz=[64, 96], simplify=False), checkpoint_in(tmp_path), context)
    assert model.layout == "grid"
    outputs = {item.name: item.type.tensor_type.shape.dim for item in onnx.load(model.path).graph.output}
    assert {name: [dim.dim_value for dim in dims] for name, dims in outputs.items()} == {
        "s8": [1, 6, 8, 12],
        "s16": [1, 6, 4, 6],
    }
    shutil.copy(model.path, tmp_path / "again.onnx")
    again = load(load_config(str(tmp_path / "again.onnx")), context)
    assert isinstance(again, OnnxModel)
    assert (again.facts, again.layout) == (model.facts, "grid")


def _rename(model: Any) -> None:
    model.graph.output[0].name = model.graph.node[2].output[0] = "p3"


def _off(model: Any) -> None:
    next(item for item in model.graph.initializer if item.name == "s8_values").raw_data = bytes(4 * 6 * 8 * 12)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            _rename,
            r"the exported file has the outputs \['p3', 's16'\], but the head of its family has \['s8', 's16'\]",
        ),
        (_off, "outputs of the exported ONNX file differ from PyTorch by up to .* .relative to the largest"),
    ],
)
def test_an_exporter_that_does_not_keep_its_word(tmp_path: Path, change: Any, expected: str) -> None:
    context = context_in(tmp_path, grid_family.family(load=lambda: Backend(change)))
    with pytest.raises(HooklineError, match=expected):
        export(ExportConfig(imgsz=[64, 96], simplify=False), checkpoint_in(tmp_path), context)


def test_a_layout_of_another_family_is_refused_by_the_plan(tmp_path: Path) -> None:
    from core.planning.known import known_of

    known = {"checkpoint": known_of(checkpoint_in(tmp_path))}
    problems = list(check_inputs(ExportConfig(imgsz=64, layout="heads"), known, context_in(tmp_path)))
    assert [str(item) for item in problems] == [
        "the model family 'grid' has no layout 'heads'; possible: export.layout=grid"
    ]


def data_in(folder: Path) -> Dataset:
    rows = [(0, 28 / 96, 24 / 64, 24 / 96, 32 / 64), (1, 32 / 96, 40 / 64, 64 / 96, 48 / 64)]
    file = write_dataset(folder / "set", {"val": {"1": rows}}, ("person", "dog"), size=(96, 64))
    context, _ = make_context(folder / "data")
    return dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)


def test_evaluate(tmp_path: Path) -> None:
    """All boxes are found, with every class of a box and with the best one."""
    context = context_in(tmp_path)
    shared: dict[str, Any] = {"conf": None, "iou": None, "max_det": 300, "classes": None, "single_class": False}
    config = EvaluateConfig(**shared, imgsz=None, max_pixels=MAX_PIXELS, processor="opencv", plots=False, upscale=False)
    metrics = evaluate_model(config, grid_family.write_onnx(tmp_path / "x.onnx"), data_in(tmp_path), context)
    assert metrics.values["map50_95"] == pytest.approx(1, abs=0.01)
