"""hookline.open: every type of model returns the same boxes as predict, for arrays in memory."""

from __future__ import annotations

import csv
import importlib.util
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import hookline

FORMS = ("checkpoint", "heads", "engine")
LOW = {"conf": 0.01, "iou": 0.6, "max_det": 20}

OUT_OF_RANGE = [
    {"conf": 1.5},
    {"iou": -1},
    {"conf": float("nan")},
    {"conf": None},
    {"iou": "0.5"},
    {"max_det": 0},
    {"max_det": 1.5},
    {"max_det": True},
]


@pytest.fixture(scope="module")
def models(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, hookline.Artifact]:
    """The tiny model in each of its forms."""
    folder = tmp_path_factory.mktemp("models")
    options = (f"weights={material / 'tiny.safetensors'}", "imgsz=64", "graft.score_threshold=0.001")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOKLINE_HOME", str(material / "home"))
        made = hookline.run("+stage=[export,build]", *options, f"hydra.run.dir={folder / 'run'}", quiet=True).artifacts
    return {"checkpoint": made["load"], "heads": made["export"], "engine": made["build"]}


@pytest.fixture(scope="module")
def image(material: Path) -> NDArray[np.uint8]:
    return hookline.read_image(material / "pictures" / "0.png")


@pytest.fixture(scope="module")
def model(models: dict[str, hookline.Artifact], material: Path) -> hookline.Model:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOKLINE_HOME", str(material / "home"))
        return hookline.open(models["engine"], quiet=True)


def same(one: hookline.Detections, other: hookline.Detections) -> bool:
    fields = ("boxes", "scores", "classes")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


@pytest.mark.parametrize("form", FORMS)
def test_boxes_are_those_of_predict(
    form: str, models: dict[str, hookline.Artifact], here: Path, material: Path, image: NDArray[np.uint8]
) -> None:
    path = models[form].path
    with hookline.open(path, imgsz=64, quiet=True) as model:
        found = model(image, **LOW)
    options = [f"{name}={value}" for name, value in LOW.items()]
    stage = [f"predict.model={form}", "predict.save_csv=true", "predict.draw=false", "hydra.run.dir=run", "imgsz=64"]
    line = ["+stage=predict", f"weights={path}", f"source={material / 'pictures' / '0.png'}", *stage, *options]
    hookline.run(*line, quiet=True)
    rows = list(csv.DictReader((here / "run" / "predict" / "predictions.csv").open()))
    assert len(found) == len(rows) > 3
    assert found.labels == [row["class"] for row in rows]
    boxes = [[float(row[name]) for name in ("x1", "y1", "x2", "y2")] for row in rows]
    np.testing.assert_allclose(found.boxes, boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, [float(row["score"]) for row in rows], atol=1e-4)


def test_opening_writes_nothing_into_the_working_directory(models: dict[str, hookline.Artifact], here: Path) -> None:
    with hookline.open(models["engine"], quiet=True) as model:
        model(np.zeros((8, 8, 3), np.uint8))
    hookline.open(str(models["checkpoint"].path), quiet=True).close()
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("here")
class TestCall:
    """One opened engine, called in different ways."""

    def test_a_list_gives_a_list(self, model: hookline.Model, image: NDArray[np.uint8]) -> None:
        half = image[: image.shape[0] // 2]
        found = model([image, half, image], **LOW)
        assert [len(item) > 0 for item in found] == [True, True, True]
        assert same(found[0], found[2])
        assert same(found[1], model(half, **LOW))
        assert found[1].boxes.max() <= max(half.shape)
        assert model([]) == []

    def test_a_view_is_taken_as_it_looks(self, model: hookline.Model, image: NDArray[np.uint8]) -> None:
        mirrored, channels = image[:, ::-1], image[..., ::-1]
        assert same(model(mirrored, **LOW), model(mirrored.copy(), **LOW))
        assert same(model(channels, **LOW), model(channels.copy(), **LOW))
        assert not same(model(channels, **LOW), model(image, **LOW))

    def test_classes_are_names_or_numbers(self, model: hookline.Model, image: NDArray[np.uint8]) -> None:
        everything = model(image, **LOW)
        label = everything.labels[0]
        found = model(image, classes=[label], **LOW)
        assert set(found.labels) == {label}
        assert same(found, model(image, classes=model.names.index(label), **LOW))
        with pytest.raises(hookline.HooklineError, match="clas0"):
            model(image, classes="clas0")

    def test_threads_do_not_mix_their_boxes(self, model: hookline.Model, image: NDArray[np.uint8]) -> None:
        images = [image, image[::-1], image[:, ::-1], image[:40]]
        expected = [model(item, **LOW) for item in images]
        wrong: list[int] = []

        def work(index: int) -> None:
            wrong.extend(index for _ in range(20) if not same(model(images[index], **LOW), expected[index]))

        threads = [threading.Thread(target=work, args=(index,)) for index in range(len(images))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ("bus.jpg", r"an image must be a NumPy array, not 'bus.jpg'; hookline.read_image\(path\) reads a file"),
            (np.zeros((4, 4, 3), np.float32), r"uint8 \[height, width, 3\], not float32 \[4, 4, 3\]"),
            (np.zeros((4, 4), np.uint8), r"not uint8 \[4, 4\]"),
            (np.zeros((4, 4, 4), np.uint8), r"not uint8 \[4, 4, 4\]"),
            (np.zeros((0, 4, 3), np.uint8), r"not uint8 \[0, 4, 3\]"),
            ([np.zeros((4, 4, 3), np.uint8), None], "a NumPy array, not None"),
            (None, "a NumPy array, not None"),
            (7, "a NumPy array, not 7"),
        ],
    )
    def test_what_is_no_image_is_refused(self, model: hookline.Model, given: object, problem: str) -> None:
        with pytest.raises(hookline.HooklineError, match=problem):
            model(given)

    @pytest.mark.parametrize("options", OUT_OF_RANGE)
    def test_options_out_of_range_are_refused(
        self, model: hookline.Model, image: NDArray[np.uint8], options: dict[str, float]
    ) -> None:
        with pytest.raises(hookline.HooklineError, match="is out of range"):
            model(image, **options)

    def test_values_of_numpy_are_numbers(self, model: hookline.Model, image: NDArray[np.uint8]) -> None:
        plain = model(image, conf=0.001, max_det=3, classes=[0])
        given = model(image, conf=np.float64(0.001), max_det=np.int64(3), classes=np.array([0], np.int32))
        listed = model(image, conf=0.001, max_det=3, classes=[np.int32(0)])
        assert np.array_equal(plain.boxes, given.boxes)
        assert np.array_equal(plain.boxes, listed.boxes)


@pytest.mark.usefixtures("here")
def test_a_closed_model_says_so(models: dict[str, hookline.Artifact], image: NDArray[np.uint8]) -> None:
    model = hookline.open(models["engine"], quiet=True)
    model.close()
    model.close()
    with pytest.raises(hookline.HooklineError, match="is closed; open it again"):
        model(image)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"weights": "nowhere.pt"}, "'nowhere.pt' is neither a file nor an official name"),
        (
            {"device": "cuda:9"},
            "^onnxruntime, which opens 'tiny-fp32.onnx', works with device=cpu only, but device=cuda:9",
        ),
        ({"device": "gpu"}, "gpu"),
        ({"imgsz": 96}, "96"),
        ({"processor": "opencvv"}, "did you mean opencv"),
        ({"backend": "tensorrt"}, "backend=tensorrt, but 'tiny-fp32.onnx' is an engine of onnxruntime"),
    ],
)
def test_mistakes_are_raised_when_it_is_opened(
    models: dict[str, hookline.Artifact], options: dict[str, object], problem: str
) -> None:
    given = {"weights": models["engine"]} | options
    with pytest.raises(hookline.HooklineError, match=problem) as caught:
        hookline.open(**given, quiet=True)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_an_engine_whose_runtime_cannot_be_used_is_refused(
    models: dict[str, hookline.Artifact], material: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "onnxruntime" else find(name, *more)
    )
    message = "^onnxruntime cannot be used here: the package onnxruntime is not installed; pip install onnxruntime$"
    with pytest.raises(hookline.HooklineError, match=message):
        hookline.open(models["engine"], backend=backend, quiet=True)
    line = [f"weights={models['engine'].path}", f"source={material / 'pictures'}", f"backend={backend}"]
    with pytest.raises(hookline.PlanError, match=message):
        hookline.run("+stage=predict", *line, quiet=True)


@pytest.mark.usefixtures("here")
def test_an_engine_whose_runtime_no_plugin_has_is_refused(models: dict[str, hookline.Artifact], material: Path) -> None:
    disabled = "plugins.disable=[backends.ort.plugin]"
    message = (
        "'tiny-fp32.onnx' was built by the runtime 'onnxruntime', but no loaded plugin has it; install its plugin; "
        f"{disabled} may exclude it"
    )
    with pytest.raises(hookline.HooklineError, match=f"^{re.escape(message)}$"):
        hookline.open(models["engine"], disabled, quiet=True)
    with pytest.raises(hookline.PlanError, match=f"^{re.escape(message)}$"):
        hookline.run(
            "+stage=predict",
            f"weights={models['engine'].path}",
            f"source={material / 'pictures'}",
            disabled,
            quiet=True,
        )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("form", "opener"), [("checkpoint", "its model family"), ("heads", "onnxruntime")])
def test_a_backend_that_does_not_open_the_model_is_refused(
    models: dict[str, hookline.Artifact], form: str, opener: str
) -> None:
    with pytest.raises(
        hookline.HooklineError, match=f"backend=tensorrt cannot open 'tiny.*': {opener} opens it; build"
    ):
        hookline.open(models[form], backend="tensorrt", quiet=True)


@pytest.mark.usefixtures("here")
def test_an_option_without_effect_is_reported(
    models: dict[str, hookline.Artifact], capfd: pytest.CaptureFixture[str]
) -> None:
    hookline.open(models["engine"], "graft.score_threshold=0.1", "runtimes.onnxruntime.threads=1").close()
    assert capfd.readouterr().err == "graft.score_threshold has no effect: stage 'graft' is not part of this plan\n"


@pytest.mark.usefixtures("here")
def test_a_low_threshold_is_warned_of(
    material: Path, image: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]
) -> None:
    engine = hookline.build(material / "tiny.safetensors", "graft.score_threshold=0.2", imgsz=64, quiet=True)
    capfd.readouterr()
    with hookline.open(engine) as model:
        model(image, conf=0.1)
        model(image, conf=0.1)
    assert capfd.readouterr().err.count("build it with graft.score_threshold=0.1") == 1


def test_an_image_is_read_or_refused(material: Path, tmp_path: Path) -> None:
    assert hookline.read_image(material / "pictures" / "0.png").shape == (96, 128, 3)
    with pytest.raises(hookline.HooklineError, match=r"nowhere\.jpg' cannot be read: No such file"):
        hookline.read_image(tmp_path / "nowhere.jpg")


@pytest.mark.usefixtures("here")
def test_a_session_is_freed_when_the_model_cannot_be_made(
    models: dict[str, hookline.Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[object] = []
    monkeypatch.setattr("backends.ort.session.OrtSession.__exit__", lambda session, *_: freed.append(session))

    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("hookline.opening.for_session", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        hookline.open(models["engine"], quiet=True)
    assert len(freed) == 1


PROCESSOR = """
from hookline import Availability, Processor, hookimpl
class Half:
    def on_device(self, device):
        {opening}
        return self
    def prepare(self, images, contract, *, upscale=True, fit=None):
        {calling}
    def detect(self, outputs, head, letterboxes, wanted): ...
def usable():
    return Availability(True, "always")
@hookimpl
def hookline_processors():
    yield Processor(name="odd", summary="", load=lambda options: Half(), available=usable, device="cpu", rank=-1)
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a processor that fails when the model is opened or called, and return its path."""

    def write(module: str, opening: str = "pass", calling: str = "pass") -> str:
        (tmp_path / f"{module}.py").write_text(PROCESSOR.format(opening=opening, calling=calling))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("HOOKLINE_PLUGINS", module)  # a new name each time, since a process loads its plugins once
        return str(tmp_path / f"{module}.py")

    return write


@pytest.mark.usefixtures("here")
def test_a_plugin_that_fails_is_named_as_in_a_run(
    models: dict[str, hookline.Artifact],
    material: Path,
    image: NDArray[np.uint8],
    odd: Callable[..., str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    place = odd("odd_call", calling="raise KeyError('odd')")
    message = rf"failed in code of \$HOOKLINE_PLUGINS \w{{12}} \(plugin 'odd_call'\): KeyError: 'odd' \({place}:8\)"
    message += r"; disable the plugin with plugins\.disable=\[odd_call\]$"
    with hookline.open(models["engine"], processor="odd") as model, pytest.raises(KeyError, match="odd"):
        model(image)
    assert re.search("^warning: 'tiny-fp32.onnx' " + message, capfd.readouterr().err, re.MULTILINE)
    line = [f"weights={models['engine'].path}", f"source={material / 'pictures'}", "processor=odd"]
    with pytest.raises(KeyError, match="odd"):
        hookline.run("+stage=predict", *line)
    assert re.search("^warning: stage 'predict' " + message, capfd.readouterr().err, re.MULTILINE)


@pytest.mark.usefixtures("here")
def test_a_plugin_that_fails_while_a_model_is_opened_is_named(
    models: dict[str, hookline.Artifact], odd: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    place = odd("odd_open", opening="raise KeyError('odd')")
    with pytest.raises(KeyError, match="odd"):
        hookline.open(models["engine"], processor="odd")
    assert f"(plugin 'odd_open'): KeyError: 'odd' ({place}:5)" in capfd.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_plugin_does_not_end_the_process_of_a_script(
    models: dict[str, hookline.Artifact], image: NDArray[np.uint8], odd: Callable[..., str]
) -> None:
    place = odd("odd_end", calling="raise SystemExit(3)")
    message = rf"^'tiny-fp32.onnx' was ended by code of .*\(plugin 'odd_end'\), which raised SystemExit \({place}:8\)"
    with hookline.open(models["engine"], processor="odd", quiet=True) as model:  # noqa: SIM117
        with pytest.raises(hookline.HooklineError, match=message):
            model(image)
