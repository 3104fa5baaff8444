"""The ONNX file has the outputs of PyTorch and the right metadata; a difference stops the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from backends.yolov5 import plugin
from core.artifacts import Checkpoint, OnnxModel
from core.errors import HooklineError
from core.kinds.context import RunContext
from core.model_facts import DECODED, InputContract, Preprocessing
from core.storage.metadata import from_properties
from stages.export import check, export, hookline_stages
from stages.export import exporting as parity_module
from stages.export.config import Axis, ExportConfig
from stages.export.exporting import compare
from stages.load import load
from tests.backends.yolov5.official_files import P5_OLD, write_official
from tests.support.stage_tools import Memory, load_config, make_context
from tests.support.yolov5_tools import tiny_checkpoint

ALL = [Axis.batch, Axis.height, Axis.width]

pytestmark = pytest.mark.usefixtures("one_thread")


def the_context(folder: Path) -> tuple[RunContext, Memory]:
    return make_context(folder, models=list(plugin.hookline_models()))


def exported(folder: Path, **options: Any) -> tuple[OnnxModel, Memory]:
    levels = options.pop("levels", 3)
    folder.mkdir(exist_ok=True)
    checkpoint = tiny_checkpoint(folder / "x.safetensors", nc=2, levels=levels)
    context, said = the_context(folder)
    return export(ExportConfig(**{"imgsz": [64, 128], **options}), checkpoint, context), said


def shapes(model: OnnxModel) -> dict[str, list[Any]]:
    return {
        output.name: [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]
        for output in onnx.load(model.path).graph.output
    }


def test_the_preprocessing_of_the_family_is_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with PyTorch then runs on input of that range."""
    values = Preprocessing(padding="top_left", pad_value=0, channels="bgr", scale=1 / 128, offset=-1.0)
    (family,) = plugin.hookline_models()
    context, _ = make_context(tmp_path, models=[replace(family, preprocessing=values)])
    seen: list[tuple[float, float]] = []
    inputs = parity_module._inputs
    monkeypatch.setattr(
        parity_module,
        "_inputs",
        lambda *given: (seen.append((image.min(), image.max())) or image for image in inputs(*given)),
    )
    model = export(ExportConfig(imgsz=64), tiny_checkpoint(tmp_path / "x.safetensors", nc=2), context)
    assert model.contract == values.contract(batch=1, height=64, width=64)
    metadata = from_properties({item.key: item.value for item in onnx.load(model.path).metadata_props})
    assert metadata is not None
    assert metadata.contract == model.contract
    assert all(-1 <= low < -0.95 and 0.95 < high <= 1 for low, high in seen)
    assert len(seen) == 2


def test_the_stage_takes_a_checkpoint() -> None:
    (stage,) = hookline_stages()
    assert [item.types for item in stage.signature.inputs] == [(Checkpoint,)]
    assert stage.signature.provides == (OnnxModel,)


@pytest.mark.parametrize(
    ("dynamic", "p3", "output0", "simplify"),
    [
        ([], [2, 21, 8, 16], [2, 504, 7], True),
        ([Axis.batch], ["batch", 21, 8, 16], ["batch", 504, 7], True),
        ([Axis.height, Axis.width], [2, 21, "height_p3", "width_p3"], [2, "boxes", 7], False),
        (ALL, ["batch", 21, "height_p3", "width_p3"], ["batch", "boxes", 7], True),
    ],
)
def test_layouts_and_axes(
    tmp_path: Path, dynamic: list[Axis], p3: list[Any], output0: list[Any], simplify: bool
) -> None:
    heads, said = exported(tmp_path / "h", batch=2, dynamic=dynamic, simplify=simplify)
    classic, recorded = exported(tmp_path / "c", batch=2, dynamic=dynamic, simplify=simplify, layout="classic")
    assert list(shapes(heads)) == ["p3", "p4", "p5"]
    assert shapes(heads)["p3"] == p3
    assert shapes(classic) == {"output0": output0}
    assert heads.contract == InputContract(2, 64, 128, dynamic=tuple(axis.value for axis in dynamic))
    assert said.notes[0].startswith("export: the outputs of ONNX Runtime and PyTorch differ by at most ")
    assert " pixels (boxes) and " in recorded.notes[0]
    assert recorded.notes[0].endswith(" (scores)")


def test_dynamic_files_take_other_sizes(tmp_path: Path) -> None:
    model, _ = exported(tmp_path, dynamic=ALL, layout="classic")
    session = onnxruntime.InferenceSession(model.path)
    (found,) = session.run(None, {"images": np.zeros((3, 3, 96, 32), np.float32)})
    assert found.shape == (3, 3 * (12 * 4 + 6 * 2 + 3 * 1), 7)


def test_four_levels(tmp_path: Path) -> None:
    model, _ = exported(tmp_path, levels=4)
    assert {name: shape[1:] for name, shape in shapes(model).items()} == {
        "p3": [21, 8, 16],
        "p4": [21, 4, 8],
        "p5": [21, 2, 4],
        "p6": [21, 1, 2],
    }


def test_the_file_speaks_for_itself(tmp_path: Path) -> None:
    model, _ = exported(tmp_path, opset=15)
    file = onnx.load(model.path)
    properties = {item.key: item.value for item in file.metadata_props}
    ours = from_properties(properties)
    assert ours is not None
    assert (ours.facts, ours.contract, ours.layout) == (model.facts, model.contract, model.layout)
    assert (properties["stride"], properties["names"]) == ("32", "{0: 'class0', 1: 'class1'}")
    assert file.opset_import[0].version == 15
    again = load(load_config(str(model.path)), the_context(tmp_path)[0])
    assert isinstance(again, OnnxModel)
    assert (again.facts, again.contract, again.layout) == (model.facts, model.contract, model.layout)


def test_the_same_checkpoint_gives_the_same_file(tmp_path: Path) -> None:
    one, _ = exported(tmp_path / "one")
    two, _ = exported(tmp_path / "two")
    assert one.path.read_bytes() == two.path.read_bytes()


def test_focus_files_export(tmp_path: Path) -> None:
    write_official(tmp_path / "old.pt", P5_OLD)
    context, said = the_context(tmp_path)
    checkpoint = load(load_config(str(tmp_path / "old.pt")), context)
    assert isinstance(checkpoint, Checkpoint)
    model = export(ExportConfig(imgsz=64), checkpoint, context)
    first = next(node for node in onnx.load(model.path).graph.node if node.op_type == "Conv")
    assert list(first.attribute[2].ints) == [6, 6]
    assert said.notes[-1].endswith(" (relative to the largest value, at least 1)")


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors")
    context, _ = the_context(tmp_path)
    facts = type(checkpoint.facts)(**{**vars(checkpoint.facts), "variant": "../../x y"})
    model = export(ExportConfig(imgsz=64), Checkpoint(path=checkpoint.path, facts=facts), context)
    assert model.path == context.workdir / ".._.._x_y.onnx"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imgsz": 100}, "imgsz=100 is not a multiple of the model's largest stride 32; nearest: 96 or 128"),
        ({"imgsz": [64, 100]}, "imgsz=100 is not a multiple"),
    ],
)
def test_sizes_that_do_not_fit(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(HooklineError, match=message):
        exported(tmp_path, **options)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": DECODED}, "export.layout=decoded cannot be exported; omit it"),
        ({"imgsz": "big"}, "imgsz='big' is not an input size"),
        ({"imgsz": [1, 2, 3]}, "is not an input size"),
    ],
)
def test_options_are_checked_before_anything_runs(tmp_path: Path, options: Any, message: str) -> None:
    (problem,) = check(ExportConfig(**{"imgsz": 64, **options}))
    assert message in str(problem)


def test_sound_options(tmp_path: Path) -> None:
    assert list(check(ExportConfig(imgsz=640, dynamic=ALL, opset=20))) == []


@pytest.mark.parametrize(("layout", "value"), [("heads", 0.01), ("classic", float("nan"))])
def test_a_file_that_is_off_is_reported(tmp_path: Path, layout: str, value: float) -> None:
    """The bias of one Detect convolution is changed after the export."""
    model, _ = exported(tmp_path, layout=layout)
    file = onnx.load(model.path)
    bias = next(tensor for tensor in file.graph.initializer if tensor.name.endswith("detect.convs.0.bias"))
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(value), bias.name))
    onnx.save(file, model.path)
    context, _ = the_context(tmp_path)
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors", nc=2)
    with (
        context.model("yolov5").open(checkpoint, model.contract, layout=layout, device="cpu") as reference,
        pytest.raises(HooklineError, match="differ from PyTorch by up to"),
    ):
        compare(model, context.head(model.facts, layout), reference, seed=0)


def test_a_difference_fails_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity_module, "TOLERANCE", 0.0)
    with pytest.raises(HooklineError, match=r"the limits are 0\.0 and 0\.05 pixels"):
        exported(tmp_path, simplify=False)


@pytest.mark.parametrize(
    ("weights", "reference"),
    [
        ("yolov5n-v7.0.pt", "yolov5n-v7.0-640-op13.onnx"),
        ("yolov5s-v6.0.pt", "yolov5s-v6.0-640-op13.onnx"),
    ],
)
def test_real_weights_agree_with_an_independent_export(
    tmp_path: Path, shared_data: Path, weights: str, reference: str
) -> None:
    context, said = the_context(tmp_path)
    checkpoint = load(load_config(str(shared_data / "weights" / weights)), context)
    assert isinstance(checkpoint, Checkpoint)
    export(ExportConfig(imgsz=640), checkpoint, context)
    assert float(said.notes[-1].partition("at most ")[2].split()[0]) < 1e-4
    model = export(ExportConfig(imgsz=640, layout="classic"), checkpoint, context)
    images = {"images": np.random.default_rng(0).random((1, 3, 640, 640), dtype=np.float32)}
    (found,) = onnxruntime.InferenceSession(model.path).run(None, images)
    (expected,) = onnxruntime.InferenceSession(shared_data / "weights" / reference).run(None, images)
    assert np.abs(found[..., :4] - expected[..., :4]).max() < 0.05
    assert np.abs(found[..., 4:] - expected[..., 4:]).max() < 1e-4
