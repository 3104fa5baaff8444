"""Facts from sidecars, official names and data.yaml files are compared in the plan, before anything runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backends.yolov5.config import NAMES
from backends.yolov5.plugin import RELEASES
from core.artifacts import OnnxModel
from core.errors import HooklineError, PlanError
from core.model_facts import InputContract
from core.planning.planner import make_plan
from core.storage.sidecar import write_sidecar
from core.storage.store import complete
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.fake_parts import fake_engine
from tests.support.runs import Program, plugins
from tests.support.yolov5_tools import tiny_checkpoint

CLASSES = ("class0", "class1", "class2")
HERE = ("device=cpu", "backend=onnxruntime", "processor=opencv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with and without a sidecar, and data sets of the same, of other and of fewer classes."""
    folder = tmp_path_factory.mktemp("facts")
    tiny_checkpoint(folder / "bare.safetensors")
    checkpoint = tiny_checkpoint(folder / "known.safetensors")
    write_sidecar(complete(checkpoint))
    (folder / "known.onnx").write_bytes(b"graph")  # a plan reads the sidecar only
    sizes = InputContract(batch=1, height=64, width=64, dynamic=("height", "width"))
    exported = OnnxModel(path=folder / "known.onnx", facts=checkpoint.facts, contract=sizes, layout="heads")
    write_sidecar(complete(exported))
    rows = {split: {"a": [(0, 0.5, 0.5, 0.5, 0.5)]} for split in ("train", "val")}
    for name, names in (("same", CLASSES), ("other", ("class0", "cat", "class2")), ("two", ("class0", "dog"))):
        write_dataset(folder / name, rows, names)
    write_picture(folder / "images" / "a.png")
    return folder


def said(program: Program, folder: Path, *words: str) -> tuple[list[str], list[str]]:
    """The problems of a plan, and its warnings."""
    request, context, console = program.prepare(
        *HERE, *(word.replace("{}", str(folder)) for word in words), f"source={folder}/images"
    )
    try:
        make_plan(request.stages, request.configs, context, request.top_level)
    except PlanError as error:
        return [str(problem) for problem in error.problems], console.warnings
    return [], console.warnings


KNOWN = "weights={}/known.safetensors"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["+stage=export", KNOWN, "imgsz=100"],
            "imgsz=100 is not a multiple of the model's largest stride 32; nearest",
        ),
        (["+stage=build", "weights=yolov5s", "imgsz=100"], "imgsz=100 is not a multiple of"),
        (["+stage=train", "data={}/same/data.yaml", "weights=null", "model=yolov5n6", "imgsz=96"], "largest stride 64"),
        (["+stage=train", "data={}/same/data.yaml", KNOWN, "imgsz=100"], "largest stride 32"),
        (["+stage=predict", KNOWN, "predict.model=checkpoint", "imgsz=100"], "largest stride 32"),
        (["+stage=predict", KNOWN, "classes=[class9]"], "unknown class 'class9'; did you mean class0"),
        (["+stage=predict", KNOWN, "classes=[3]"], "class 3 does not exist; class ids are 0 to 2"),
        (["+stage=predict", "weights=yolov5s", "classes=persn"], "unknown class 'persn'; did you mean person"),
        (["+stage=train", "data={}/same/data.yaml", KNOWN, "classes=[cat]"], "unknown class 'cat'"),
        (["+stage=evaluate", "data={}/same/data.yaml", KNOWN, "classes=[cat]"], "unknown class 'cat'"),
        (["+stage=evaluate", "data={}/two/data.yaml", KNOWN], "the model has 3 classes (class0, class1, class2)"),
        (["+stage=evaluate", "data={}/two/data.yaml", "weights=yolov5s"], "the model has 80 classes (person, bicycle"),
        (["+stage=evaluate", "data={}/two/data.yaml", KNOWN, "single_class=true"], "the data set 1 class (object)"),
        (["+stage=build", KNOWN, "build.precision=fp16"], "build.precision is fp16, but the exported model is fp32"),
        (["+stage=build", KNOWN, "precision=fp16", "export.layout=classic"], "classic cannot be converted to fp16"),
        (
            ["+stage=build", KNOWN, "export.layout=classic"],
            "the exported model has the layout classic, to which no decode step can be appended",
        ),
        (
            ["+stage=build", KNOWN, "export.layout=classic", "precision=int8"],
            "the exported model has the layout classic, to which no decode step can be appended",
        ),
        (
            ["+stage=build", KNOWN, "precision=int8", "build.precision=fp16"],
            "build.precision is fp16, but the quantised model is int8",
        ),
        (
            ["+stage=build", KNOWN, "decode=yolo_layer", "grafts.yolo_layer.namespace=''"],
            "onnxruntime cannot run the graft 'yolo_layer': it needs the operator YoloLayer_TRT; possible: decode=onnx",
        ),
        (["+stage=compare", "compare.reference={}/known.safetensors", "weights=yolov5s"], "the engine has 80 classes"),
    ],
)
def test_what_does_not_fit_is_said_in_the_plan(folder: Path, tmp_path: Path, words: list[str], line: str) -> None:
    problems, _ = said(Program(tmp_path), folder, *words)
    assert any(line in problem for problem in problems), problems
    assert len(problems) == len(set(problems))


STAGES = ("export", "graft", "build", "predict", "evaluate", "compare", "calibrate", "train")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("weights", ["{}/known.safetensors", "yolov5s", "{}/known.onnx"])
def test_a_size_off_the_stride_is_refused_before_the_weights_are_read(
    folder: Path, tmp_path: Path, stage: str, weights: str
) -> None:
    """The stride is known from sidecars and official names."""
    words = [f"weights={weights}", "imgsz=321", "data={}/same/data.yaml", "compare.reference={}/known.safetensors"]
    problems, _ = said(Program(tmp_path), folder, f"+stage={stage}", *words)
    line = "imgsz=321 is not a multiple of the model's largest stride 32; nearest: 320 or 352"
    if weights.endswith(".onnx") and stage in {"export", "train"}:
        line = f"stage '{stage}' needs a Checkpoint, but the given model is already an OnnxModel; give an earlier"
    assert any(problem.startswith(line) for problem in problems), problems


@pytest.mark.parametrize(
    "words",
    [
        ["+stage=train", "data={}/two/data.yaml", KNOWN],  # a transfer
        ["+stage=train", "data={}/two/data.yaml", "weights=yolov5s"],
        ["+stage=[train,evaluate]", "data={}/two/data.yaml", KNOWN, "classes=[dog]"],
        ["+stage=[train,evaluate]", "data={}/two/data.yaml", KNOWN, "single_class=true"],
        ["+stage=[train,build,predict]", "data={}/two/data.yaml", KNOWN, "classes=[dog]"],
        ["+stage=evaluate", "data={}/same/data.yaml", KNOWN, "imgsz=96", "classes=[class1,2]"],
        ["+stage=evaluate", "data={}/two/data.yaml", "weights={}/bare.safetensors", "imgsz=100"],  # not known yet
        ["+stage=build", KNOWN, "precision=int8", "data={}/two/data.yaml"],
        ["+stage=export", "export.layout=classic", KNOWN],
    ],
)
def test_what_fits_or_is_not_known_passes(folder: Path, tmp_path: Path, words: list[str]) -> None:
    assert said(Program(tmp_path), folder, *words) == ([], [])


def test_other_names_of_as_many_classes_are_warned_of(folder: Path, tmp_path: Path) -> None:
    problems, warnings = said(Program(tmp_path), folder, "+stage=evaluate", "data={}/other/data.yaml", KNOWN)
    assert problems == []
    (warning,) = warnings
    assert warning.startswith("1 of 3 class names differ between model and data set, first class 1: 'class1' and 'cat'")


def test_several_mistakes_are_said_at_once(folder: Path, tmp_path: Path) -> None:
    problems, _ = said(
        Program(tmp_path), folder, "+stage=[build,evaluate]", KNOWN, "data={}/two/data.yaml", "imgsz=100", "conf=2",
        "build.warmup=-1", "classes=[dgo]", "build.precision=fp16",
    )  # fmt: skip
    assert [problem.split()[0] for problem in problems] == [
        "conf=2.0", "build.warmup=-1", "imgsz=100", "build.precision", "unknown", "the",
    ]  # fmt: skip


def test_what_only_the_weights_tell_is_said_when_they_are_read(folder: Path, tmp_path: Path) -> None:
    """Before the export, the quantisation and the build that an evaluation needs."""
    program = Program(tmp_path)
    words = [word.replace("{}", str(folder)) for word in ("weights={}/bare.safetensors", "data={}/two/data.yaml")]
    with pytest.raises(HooklineError, match="the model has 3 classes") as caught:
        program.run("+stage=evaluate", *HERE, *words, "imgsz=64")
    assert isinstance(caught.value, PlanError)
    assert {entry.name for entry in (tmp_path / "store").iterdir()} <= {"load", "dataset", "locks", "unfinished"}


def test_the_official_classes_are_those_of_the_official_weights(shared_data: Path, tmp_path: Path) -> None:
    from backends.yolov5.backend import YOLOv5Backend

    checkpoint = YOLOv5Backend().read(shared_data / "weights" / "yolov5n-v7.0.pt", tmp_path / "n.safetensors")
    assert checkpoint.facts.names == NAMES
    assert all(release.names == NAMES for release in RELEASES.values())
    strides = plugins().registry.part("models", "yolov5").strides
    assert strides["yolov5n"] == checkpoint.facts.max_stride


def test_a_plan_imports_nothing_heavy(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.support.runs import Program\n"
        "from core.planning.planner import make_plan\n"
        f"request, context, _ = Program(Path({str(tmp_path)!r})).prepare('+stage=evaluate', 'weights=yolov5s',\n"
        f"    'data={folder}/two/data.yaml', 'device=cpu', 'backend=onnxruntime', 'processor=opencv')\n"
        "try:\n"
        "    make_plan(request.stages, request.configs, context, request.top_level)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'cv2', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:2] == ["PlanError", "[]"], done.stderr


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """An engine of ONNX Runtime with its sidecar."""
    (tmp_path / "given").mkdir()
    built = replace(fake_engine(tmp_path / "given"), runtime="onnxruntime")
    write_sidecar(complete(built))
    return built.path


@pytest.mark.parametrize(
    ("backend", "lines"),
    [
        ("auto", []),
        ("onnxruntime", []),
        ("tensorrt", ["backend=tensorrt, but '{}' is an engine of onnxruntime; omit backend, or build an engine"]),
        ("onxn", ["unknown backend 'onxn'; did you mean onnxruntime?"]),
    ],
)
def test_another_backend_for_a_ready_engine(
    folder: Path, tmp_path: Path, engine: Path, backend: str, lines: list[str]
) -> None:
    problems, _ = said(Program(tmp_path), folder, "+stage=predict", f"weights={engine}", f"load.backend={backend}")
    assert len(problems) == len(lines)
    for problem, line in zip(problems, lines, strict=True):
        assert problem.startswith(line.replace("{}", engine.name))


@pytest.mark.parametrize("name", ["data.yaml", "a.png", "a.mp4", "best.engine.json"])
def test_a_file_that_is_no_model(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    problems, _ = said(Program(tmp_path), folder, "+stage=export", f"weights={tmp_path}/{name}")
    assert problems == [f"weights '{tmp_path}/{name}' is not a model file; give .pt, .safetensors, .onnx or an engine"]
