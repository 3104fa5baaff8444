"""The cost of an engine's decode, on heads made so that each part of it loses one object."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.cv.plugin import hookline_processors
from backends.yolov5.plugin import hookline_models
from core.artifacts import Dataset, Engine, Metrics, OnnxModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.runtime import Runtime
from core.media.choices import MAX_PIXELS
from core.model_facts import DECODED, InputContract
from core.planning.planner import make_plan
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate import decode_cost as module
from stages.evaluate.config import DecodeCost, EvaluateConfig
from stages.evaluate.evaluating import evaluate_model
from tests.support import grid_family, toys
from tests.support.dataset_tools import write_dataset
from tests.support.fake_parts import fake_engine, runtime_part
from tests.support.stage_tools import Memory, make_context

SIDE, STRIDE, CELLS = 96, 8, 12
BOX = (44.0, 44.0, 20.0, 26.0)
"""Centre and size of every object, pixels."""
IMAGES = {
    "1": (0, 0.9, (0.9, 0.0)),  # label, objectness and class scores: found by every decode
    "2": (1, 0.1, (0.0, 1.0)),  # below the threshold
    "3": (1, 0.5, (0.9, 0.6)),  # its best class is the wrong one
}
NAMES = ("person", "dog")
THRESHOLD = 0.25
ANCHORS = ((10.0, 13.0), (30.0, 61.0), (116.0, 90.0))
FAMILIES = {
    "yolov5": ("heads", {"anchors": [list(level) for level in ANCHORS]}),
    "grid": (grid_family.LAYOUT, {}),
}


def heads_of(objectness: float, classes: tuple[float, ...]) -> dict[str, NDArray[np.float32]]:
    """Heads of YOLOv5 with one box."""
    outputs = {
        f"p{3 + level}": np.zeros((1, 7, CELLS >> level, CELLS >> level), np.float32) for level in range(len(ANCHORS))
    }
    x, y, width, height = BOX
    column, row = int(x // STRIDE), int(y // STRIDE)
    place = [(x / STRIDE - column + 0.5) / 2, (y / STRIDE - row + 0.5) / 2]
    size = [np.sqrt(width / ANCHORS[0][0]) / 2, np.sqrt(height / ANCHORS[0][1]) / 2]
    outputs["p3"][0, :, row, column] = [*place, *size, objectness, *classes]
    return outputs


def grid_of(objectness: float, classes: tuple[float, ...]) -> dict[str, NDArray[np.float32]]:
    """The same box by a family without anchors and objectness."""
    outputs = {f"s{8 << level}": np.zeros((1, 6, CELLS >> level, CELLS >> level), np.float32) for level in range(3)}
    x, y, width, height = BOX
    column, row = int(x // STRIDE), int(y // STRIDE)
    right, below = x / STRIDE - column - 0.5, y / STRIDE - row - 0.5
    half_width, half_height = width / 2 / STRIDE, height / 2 / STRIDE
    sides = [half_width - right, half_height - below, half_width + right, half_height + below]
    outputs["s8"][0, :, row, column] = [*(objectness * score for score in classes), *sides]
    return outputs


def decoded_of(objectness: float, classes: tuple[float, ...]) -> dict[str, NDArray[Any]]:
    """The outputs of an engine for the same box."""
    x, y, width, height = BOX
    best = int(np.argmax(classes))
    score = objectness * classes[best] if objectness >= THRESHOLD else 0.0
    corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    return {
        "DecodeNumDetection": np.array([[1]], np.int32),
        "DecodeDetectionBoxes": np.array([[corners]], np.float32),
        "DecodeDetectionScores": np.array([[score]], np.float32),
        "DecodeDetectionClasses": np.array([[best]], np.int32),
    }


@dataclass
class Answers:
    """A session that returns the given answers in order; the first inference is the warm-up."""

    model: OnnxModel | Engine
    calls: int = -1

    def __post_init__(self) -> None:
        self.facts, self.contract, self.layout = self.model.facts, self.model.contract, self.model.layout
        self.score_threshold: float = getattr(self.model, "score_threshold", 0.0)

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        _, *answer = list(IMAGES.values())[max(self.calls, 0)]
        self.calls += 1
        return {"heads": heads_of, "grid": grid_of}.get(self.layout, decoded_of)(*answer)

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class AnsweringRuntime:
    def open(self, model: OnnxModel | Engine, *, device: str) -> Answers:
        return Answers(model)


def runtime(name: str) -> Runtime:
    return runtime_part(name, AnsweringRuntime(), opens_onnx=name == "onnxruntime")


def data_in(folder: Path, names: tuple[str, ...]) -> Dataset:
    share = [value / SIDE for value in BOX]
    labels = {name: [(names.index(NAMES[label]), *share)] for name, (label, _, _) in IMAGES.items()}
    context, _ = make_context(folder / "data")
    file = write_dataset(folder / "set", {"val": labels}, names, size=(SIDE, SIDE))
    return dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)


def run(
    folder: Path, *, with_heads: bool = True, family: str = "yolov5", names: tuple[str, ...] = NAMES, **changes: Any
) -> tuple[Metrics, Memory]:
    layout, head = FAMILIES[family]
    engine = replace(fake_engine(folder, score_threshold=THRESHOLD), contract=InputContract(1, SIDE, SIDE))
    engine = replace(engine, facts=replace(engine.facts, family=family, head=head))
    file = folder / "heads.onnx"
    file.write_bytes(b"heads")
    heads = QuantizedModel(path=file, facts=engine.facts, contract=engine.contract, layout=layout, runtime="fake")
    parts = {"runtimes": [runtime("fake"), runtime("onnxruntime")], "processors": list(hookline_processors())}
    parts["models"] = [*hookline_models(), grid_family.family()]
    context, memory = make_context(folder, **parts)
    shared: dict[str, Any] = {"conf": None, "iou": None, "max_det": 300, "classes": None, "single_class": False}
    config = EvaluateConfig(
        **{**shared, "imgsz": None, "max_pixels": MAX_PIXELS, "processor": "opencv", "plots": False, **changes}
    )
    return evaluate_model(config, engine, data_in(folder, names), context, heads if with_heads else None), memory


@pytest.mark.parametrize("family", FAMILIES)
def test_each_part_of_the_decode_loses_its_object(tmp_path: Path, family: str) -> None:
    metrics, _ = run(tmp_path, family=family)
    cost = json.loads(metrics.path.read_text())["decode_cost"]
    assert cost["map50"] == pytest.approx(1)
    found = {part["decode"]["name"]: part for part in cost["parts"]}
    half = 1 - 51 / 101  # one of two dogs: precision 1 at 51 of 101 recalls
    assert found["threshold"]["lost50"] == pytest.approx(half / 2)
    assert found["one_class"]["lost50"] == pytest.approx(half / 2)
    assert found["both"]["lost50"] == pytest.approx(0.5)
    assert [(part["worst"], part["worst_lost"]) for part in cost["parts"]] == [
        ("dog", pytest.approx(half)),
        ("dog", pytest.approx(half)),
        ("dog", pytest.approx(1)),
    ]
    assert metrics.values["lost_by_both_map50"] == pytest.approx(0.5)
    assert metrics.values["map50"] == pytest.approx(found["both"]["map50"])  # the engine drops exactly these


def test_classes_that_are_matched_by_name_have_the_same_cost(tmp_path: Path) -> None:
    costs = []
    for number, names in enumerate((NAMES, NAMES[::-1])):
        (tmp_path / str(number)).mkdir()
        metrics, _ = run(tmp_path / str(number), names=names)
        costs.append(json.loads(metrics.path.read_text())["decode_cost"])
    assert costs[0] == costs[1]


def test_the_report_says_what_was_measured(tmp_path: Path) -> None:
    metrics, _ = run(tmp_path)
    lines = metrics.report[1].splitlines()
    assert "same 3 images at confidence 0.001" in lines[0]
    assert "fp32 model before the graft" in lines[1]
    figures = {line[:25].strip(): line[25:].split() for line in lines[2:8]}
    assert figures["every box, every class"][0] == "1.000"
    assert figures["boxes below 0.25 dropped"][:2] == ["0.752", "0.248"]
    assert figures["one class per box"][:2] == ["0.752", "0.248"]
    assert figures["both, as in the engine"] == figures["the engine itself"]
    assert "one class per box: class 'dog' loses most, 0.495 of its AP50" in lines
    assert max(map(len, lines)) <= 79


def test_the_limit_on_pixels_is_that_of_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    make = module.Tolerance
    monkeypatch.setattr(
        module, "Tolerance", lambda *given, **options: limits.append(options["max_pixels"]) or make(*given, **options)
    )
    run(tmp_path, max_pixels=SIDE * SIDE)
    assert limits == [SIDE * SIDE]


def test_without_the_model_before_the_graft_the_report_says_so(tmp_path: Path) -> None:
    metrics, _ = run(tmp_path, with_heads=False)
    assert "was not measured: the plan does not have the model before the graft" in metrics.report[1]
    assert json.loads(metrics.path.read_text())["decode_cost"] is None
    with pytest.raises(HooklineError, match=r"decode_cost=always cannot be measured.*weights=<checkpoint>"):
        run(tmp_path, with_heads=False, decode_cost=DecodeCost.always)


def test_many_images_are_measured_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 2)
    assert "more than 2 images; evaluate.decode_cost=always" in run(tmp_path)[0].report[1]
    always = run(tmp_path, decode_cost=DecodeCost.always)[0]
    assert always.values["lost_by_both_map50"] == pytest.approx(0.5)


def test_a_model_that_cannot_be_opened_ends_only_what_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: object, model: OnnxModel | Engine, *, device: str) -> Answers:
        if model.layout != DECODED:
            raise HooklineError("the graph has an operator of another runtime", "open it there")
        return Answers(model)

    monkeypatch.setattr(AnsweringRuntime, "open", refuse)
    metrics, _ = run(tmp_path)
    assert metrics.report[1].endswith("was not measured: the graph has an operator of another runtime")
    with pytest.raises(HooklineError, match="another runtime; open it there"):
        run(tmp_path, decode_cost=DecodeCost.always)


def test_never(tmp_path: Path) -> None:
    metrics, _ = run(tmp_path, decode_cost=DecodeCost.never)
    assert len(metrics.report) == 2
    assert "lost_by_both_map50" not in metrics.values


@pytest.mark.parametrize(("asked", "form", "heads"), [("engine", "x", "quantize"), ("heads", "heads", None)])
def test_an_input_of_the_lineage_is_the_ancestor_in_the_plan(
    tmp_path: Path, asked: str, form: str, heads: str | None
) -> None:
    """Of an exported model there is none, and none is made for it."""

    def run(config: toys.Plain, model: Engine | OnnxModel, heads: QuantizedModel | None, context: object) -> Metrics:
        raise AssertionError(asked)

    stages = list(toys.STAGES)
    stages[-1] = replace(stages[-1], run=run, lineage={"heads": "model"})
    plan = make_plan(
        ["evaluate"], toys.configs(evaluate=toys.Plain(form)), toys.context(tmp_path, toys.registry(*stages))
    )
    index = plan.steps[-1].inputs.get("heads")
    assert (None if index is None else plan.steps[index].stage.name) == heads
