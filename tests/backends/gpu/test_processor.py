"""The processor ``cupy`` against ``opencv``: kernels on the CPU, and with ``-m gpu`` on a GPU."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from backends.cv import plugin as opencv_plugin
from backends.cv.processor import OpenCvProcessor
from backends.gpu import plugin
from backends.gpu.device import fetch
from backends.gpu.processor import CupyProcessor, SessionProcessor
from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from backends.nvidia import driver, gpu
from core.detections import Filter
from core.errors import HooklineError
from core.kinds.check import broken
from core.kinds.head import DeviceDecode
from core.kinds.part import Availability, NoOptions
from core.kinds.processor import DeviceProcessor, for_session
from core.kinds.session import DeviceSession
from core.model_facts import DECODED, InputContract
from cuda_plugins import loading
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from tests.backends.gpu.devices import EVERY_DEVICE, FakeSession, ShimDevice, put
from tests.backends.graphsurgeon.test_decode_parity import cut_at_the_heads
from tests.backends.graphsurgeon.test_yolo_layer import run as run_onnx
from tests.backends.yolov5.test_head import FACTS, make_heads
from tests.support import grid_family
from tests.support.heads_tools import head_for
from tests.support.machine_tools import Machine
from tests.support.media_tools import make_picture
from tests.support.stage_tools import make_context

CONTRACT = InputContract(1, 64, 96)
HOST = OpenCvProcessor()


@pytest.fixture(params=EVERY_DEVICE)
def device(request: pytest.FixtureRequest) -> Any:
    return request.param()


def random_decoded(batch: int, rows: int = 500, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-10, 80, (batch, rows, 2))
    return {
        NUM: np.full((batch, 1), rows, np.int32),
        BOXES: np.concatenate([corners, corners + rng.uniform(3, 40, corners.shape)], 2).astype(np.float32),
        SCORES: (np.floor(rng.random((batch, rows)) * 40) / 40).astype(np.float32),
        CLASSES: rng.integers(0, 3, (batch, rows), np.int32),
    }


def session_of(device: Any, outputs: dict[str, Any], layout: str = DECODED, **options: Any) -> FakeSession:
    return FakeSession(device, FACTS, lambda images: outputs, layout=layout, **options)


def paired(device: Any, session: FakeSession) -> SessionProcessor:
    found = for_session(CupyProcessor(lambda number: device), session)
    assert isinstance(found, SessionProcessor)
    return found


def assert_same(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ("boxes", "scores", "classes"):
            values, wanted = getattr(one, name), getattr(other, name)
            np.testing.assert_array_equal(values, wanted, err_msg=name)
            assert values.dtype == wanted.dtype


def assert_detects_as_opencv(device: Any, outputs: dict[str, Any], layout: str, wanted: Filter) -> None:
    session = session_of(device, outputs, layout)
    processor = paired(device, session)
    batch = len(next(iter(outputs.values())))
    source_images = [make_picture(50 + 10 * number, 120 - 7 * number) for number in range(batch)]
    _, placed = processor.prepare(source_images, CONTRACT)
    arrays = {name: put(device, value, session.stream) for name, value in outputs.items()}
    found = processor.detect(arrays, head_for(session), placed, wanted)
    expected = HOST.detect(outputs, head_for(session), placed, wanted)
    assert_same(found, expected)
    assert any(len(boxes) for boxes in found)


@pytest.mark.parametrize("size", [(64, 96), (50, 200), (300, 31), (1, 1), (32, 48)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_images_are_those_of_opencv(device, size, dtype):
    session = session_of(device, {}, input_dtype=dtype)
    source_images = [make_picture(*size, seed=number) for number in range(3)]
    images, placed = paired(device, session).prepare(source_images, CONTRACT)
    expected, expected_placed = HOST.prepare(source_images, CONTRACT)
    np.testing.assert_array_equal(fetch(images, device, session.stream), expected.astype(dtype))
    assert placed == expected_placed


@pytest.mark.parametrize("options", [{"upscale": False}, {"fit": (32, 32)}, {"fit": (32, 64), "upscale": False}])
def test_placement_follows_the_options(device, options):
    session = session_of(device, {})
    images, placed = paired(device, session).prepare([make_picture(20, 30)], CONTRACT, **options)
    expected, expected_placed = HOST.prepare([make_picture(20, 30)], CONTRACT, **options)
    np.testing.assert_array_equal(fetch(images, device, session.stream), expected)
    assert placed == expected_placed


def test_batches_of_any_size_one_after_another(device):
    """More images than pinned buffers, in growing and shrinking batches; the inputs of all batches are kept."""
    session = session_of(device, {})
    processor = paired(device, session)
    batches = [[make_picture(20 + 9 * i, 90 - 7 * i, seed=i) for i in range(count)] for count in (1, 7, 2, 5)]
    prepared = [processor.prepare(source_images, CONTRACT)[0] for source_images in batches]
    for images, source_images in zip(prepared, batches, strict=True):
        np.testing.assert_array_equal(fetch(images, device, session.stream), HOST.prepare(source_images, CONTRACT)[0])


def test_an_image_that_is_a_view_and_changes_afterwards(device):
    whole = make_picture(80, 100)
    part = whole[5:70:2, 90:10:-1]
    expected, _ = HOST.prepare([np.ascontiguousarray(part)] * 3, CONTRACT)
    session = session_of(device, {})
    images, _ = paired(device, session).prepare([part] * 3, CONTRACT)
    whole[:] = 0
    np.testing.assert_array_equal(fetch(images, device, session.stream), expected)


@pytest.mark.parametrize("contract", [replace(CONTRACT, channels="bgr"), replace(CONTRACT, pad_value=3, scale=1.0)])
def test_the_contract_is_kept(device, contract):
    session = session_of(device, {})
    images, _ = paired(device, session).prepare([make_picture(40, 30)], contract)
    np.testing.assert_array_equal(
        fetch(images, device, session.stream), HOST.prepare([make_picture(40, 30)], contract)[0]
    )


def test_an_image_without_pixels_is_refused(device):
    with pytest.raises(HooklineError, match="an image of 0x5 pixels"):
        paired(device, session_of(device, {})).prepare([np.zeros((5, 0, 3), np.uint8)], CONTRACT)


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(conf=0.001, iou=0.6),
        Filter(max_det=3),
        Filter(classes=(0, 2)),
        Filter(classes=(2048,) * 3 + (1,)),
        Filter(max_candidates=50, conf=0.0),
        Filter(multi_label=True),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_decoded_boxes_are_those_of_opencv(device, wanted, batch):
    assert_detects_as_opencv(device, random_decoded(batch), DECODED, wanted)


@pytest.mark.parametrize(
    "wanted", [Filter(conf=0.4), Filter(conf=0.001), Filter(conf=0.0), Filter(conf=0.3, multi_label=True)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_boxes_of_heads_are_those_of_opencv(device, wanted, dtype):
    heads = {name: head.astype(dtype) for name, head in make_heads().items()}
    assert_detects_as_opencv(device, heads, "heads", wanted)


def test_without_a_threshold_boxes_with_a_score_of_zero_stay(device):
    heads = {name: np.where(head < 0.9, np.float32(0), head) for name, head in make_heads().items()}
    assert_detects_as_opencv(device, heads, "heads", Filter(conf=0.0, max_det=500))


def test_the_classic_output_is_filtered_on_the_host(device):
    rng = np.random.default_rng(0)
    rows = rng.random((2, 60, 8), np.float32) * np.asarray([90, 60, 30, 30, 1, 1, 1, 1], np.float32)
    assert_detects_as_opencv(device, {"output0": rows}, "classic", Filter(conf=0.2))


def test_a_decode_in_half_precision_is_filtered_on_the_host(device):
    outputs = random_decoded(2)
    outputs[BOXES] = outputs[BOXES].astype(np.float16)
    assert_detects_as_opencv(device, outputs, DECODED, Filter())


def test_nothing_found(device):
    session = session_of(device, {})
    processor = paired(device, session)
    _, placed = processor.prepare([make_picture()], CONTRACT)
    outputs = {name: put(device, value * 0, session.stream) for name, value in random_decoded(1).items()}
    (found,) = processor.detect(outputs, head_for(session), placed, Filter())
    assert found.boxes.shape == (0, 4)


def test_results_stay_valid_after_the_next_image(device):
    session = session_of(device, {})
    processor = paired(device, session)
    _, placed = processor.prepare([make_picture()], CONTRACT)
    every = [{n: put(device, v, session.stream) for n, v in random_decoded(1, seed=seed).items()} for seed in (0, 1)]
    found = [processor.detect(outputs, head_for(session), placed, Filter()) for outputs in every]
    for seed, boxes in enumerate(found):
        assert_same(boxes, HOST.detect(random_decoded(1, seed=seed), head_for(session), placed, Filter()))


def test_only_the_boxes_are_found_on_the_stream_of_the_session():
    """The session's stream may capture a graph while another thread prepares images."""
    device = ShimDevice()
    session = session_of(device, make_heads(), "heads")
    processor = paired(device, session)
    images, placed = processor.prepare([make_picture(), make_picture()], CONTRACT)
    processor.detect(session.run(images), head_for(session), placed, Filter())
    kernels = {name: stream == session.stream for name, stream in device.launched}
    assert kernels == {"letterbox_float": False, "yolo_layer_float": True, "nms": True}


def test_a_session_on_the_host_gets_arrays_of_numpy(device):
    processor = CupyProcessor(lambda number: device, number_of=lambda choice: 0)
    session: Any = type("HostSession", (), {"layout": DECODED, "facts": FACTS})()
    assert for_session(processor, session) is processor
    source_images = [make_picture(33, 200), make_picture(5, 4)]
    images, placed = processor.prepare(source_images, CONTRACT)
    assert isinstance(images, np.ndarray)
    np.testing.assert_array_equal(images, HOST.prepare(source_images, CONTRACT)[0])
    outputs = random_decoded(2)
    assert_same(
        processor.detect(outputs, head_for(session), placed, Filter()),
        HOST.detect(outputs, head_for(session), placed, Filter()),
    )


@pytest.mark.parametrize("decode", [None, DeviceDecode("Grid_TRT", ("s8", "s16"))])
def test_a_head_without_a_kernel_is_decoded_on_the_host(device, decode):
    """Outputs on the device are downloaded, because no kernel supports the head of another family."""
    session, outputs = session_of(device, {}), grid_family.objects()
    head, processor = grid_family.GridHead(grid_family.FACTS, device_decode=decode), paired(device, session)
    _, placed = HOST.prepare([make_picture(64, 96)], InputContract(1, 64, 96))
    arrays = {name: put(device, value, session.stream) for name, value in outputs.items()}
    assert_same(processor.detect(arrays, head, placed, Filter()), HOST.detect(outputs, head, placed, Filter()))
    if isinstance(device, ShimDevice):
        assert device.launched == []


def test_the_score_threshold_of_a_graft_on_the_device(device):
    """Boxes with a lower objectness are dropped before their classes are read."""
    heads, placed = make_heads(), HOST.prepare([make_picture(64, 96)] * 2, InputContract(2, 64, 96))[1]
    session = session_of(device, heads, "heads")
    arrays = {name: put(device, value, session.stream) for name, value in heads.items()}
    wanted = Filter(conf=0.1, score_threshold=0.9)
    found = paired(device, session).detect(arrays, head_for(session), placed, wanted)
    assert_same(found, HOST.detect(heads, head_for(session), placed, wanted))
    fewer, all_ = sum(map(len, found)), sum(map(len, HOST.detect(heads, head_for(session), placed, Filter(conf=0.1))))
    assert 0 < fewer < all_
    if isinstance(device, ShimDevice):
        assert ("yolo_layer_float", session.stream) in device.launched


def test_outputs_of_the_host_are_filtered_there(device):
    session = session_of(device, random_decoded(1))
    processor = paired(device, session)
    images, placed = HOST.prepare([make_picture()], CONTRACT)
    outputs = session.run(images)
    assert_same(
        processor.detect(outputs, head_for(session), placed, Filter()),
        HOST.detect(outputs, head_for(session), placed, Filter()),
    )


def test_the_protocols_tell_who_can_work_on_a_device():
    session = session_of(ShimDevice(), {})
    assert isinstance(session, DeviceSession)
    assert isinstance(CupyProcessor(ShimDevice), DeviceProcessor)
    assert not isinstance(HOST, DeviceProcessor)
    assert for_session(HOST, session) is HOST


def test_real_photographs_and_weights_agree_with_opencv(device, tmp_path, shared_data):
    model = cut_at_the_heads(shared_data / "weights" / "yolov5n-v7.0-640-op13.onnx", tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.001)
    session = FakeSession(device, model.facts, lambda images: run_onnx(tmp_path / "d.onnx", images))
    processor = paired(device, session)
    for path in sorted((shared_data / "photos").glob("*.jpg")):
        source_images = [cv2.imread(str(path))]
        images, placed = processor.prepare(source_images, session.contract)
        expected, _ = HOST.prepare(source_images, session.contract)
        np.testing.assert_array_equal(fetch(images, device, session.stream), expected)
        outputs, host_outputs = session.run(images), session.run(expected)
        for wanted in (Filter(), Filter(conf=0.001, iou=0.6)):
            found = processor.detect(outputs, head_for(session), placed, wanted)
            assert_same(found, HOST.detect(host_outputs, head_for(session), placed, wanted))
            assert len(found[0]) >= (200 if wanted.conf < 0.25 else 3)


def test_the_descriptor_is_light(repo_root):
    code = "import sys, backends.gpu.plugin; print([m for m in ('cv2', 'numpy', 'cupy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo_root, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("word", ["auto", "cuda:1"])
def test_for_a_session_on_the_host_it_works_on_the_gpu_of_the_run(monkeypatch, word):
    """Return the CUDA number of a GPU that was selected before CuPy started CUDA."""
    chosen, opened, done = {"auto": "the freest", "cuda:1": "the second"}, [], []
    monkeypatch.setattr(gpu, "choose", chosen.get)
    monkeypatch.setattr(gpu, "prepare_environment", lambda gpu: done.append(f"{gpu} named"))
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime="runtime"))
    monkeypatch.setattr(loading, "import_cupy", lambda: done.append("CuPy started") or cupy)
    monkeypatch.setattr(gpu, "ordinal", lambda gpu, runtime: {"the freest": 3, "the second": 0}[gpu])
    processor = CupyProcessor(lambda number: opened.append(number) or ShimDevice(number)).on_device(word)
    assert opened == []
    processor.prepare([make_picture()], CONTRACT)
    processor.prepare([make_picture()], CONTRACT)
    assert opened == [3 if word == "auto" else 0]
    assert done == [f"{chosen[word]} named", "CuPy started"]


def test_a_session_on_a_gpu_is_followed_whatever_the_run_says():
    opened = []
    processor = CupyProcessor(lambda number: opened.append(number) or ShimDevice(number), number_of=pytest.fail)
    session = session_of(ShimDevice(), {})
    session.device = 5
    for_session(processor.on_device("cuda:1"), session)
    assert opened == [5]


def test_the_run_reports_its_device(tmp_path):
    """Only processors with ``on_device`` get the device; others have ``prepare`` and ``detect`` only."""
    (cupy,) = plugin.hookline_processors()
    (opencv,) = opencv_plugin.hookline_processors()
    context, _ = make_context(tmp_path, processors=[cupy, opencv])
    found = replace(context, device="cuda:3").processor("cupy")
    assert isinstance(found, CupyProcessor)
    assert found.choice == "cuda:3"
    assert isinstance(replace(context, device="cuda:3").processor("opencv"), OpenCvProcessor)


def test_missing_fields_are_named(monkeypatch):
    there: list[str] = []
    monkeypatch.setattr(plugin.importlib.util, "find_spec", lambda name: object() if name in there else None)
    monkeypatch.setattr("ctypes.CDLL", lambda name, *_, **__: pytest.fail(f"{name} was loaded"))
    assert "CuPy is not installed" in plugin.probe().reason
    there.append("cupy")
    problem = broken("NVIDIA driver", "libcuda.so.1 exists, but no kernel module is loaded", "sudo modprobe nvidia")
    monkeypatch.setattr(driver, "driver_problem", lambda here: problem)
    assert plugin.probe() == Availability(usable=False, reason=problem.found, hint=problem.remedy)
    monkeypatch.setattr(driver, "driver_problem", lambda here: None)
    assert plugin.probe().usable


@pytest.mark.parametrize(("value", "usable"), [(None, True), ("0", True), ("GPU-11", True), ("", False), ("-1", False)])
def test_gpus_that_are_hidden_cannot_be_used(monkeypatch, tmp_path, value, usable):
    """The usual way to keep a run on the CPU."""
    machine = Machine(tmp_path)
    machine.gpus()
    machine.driver_library()
    machine.environment |= {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    monkeypatch.setattr(plugin.importlib.util, "find_spec", lambda name: object())
    state = plugin.probe(machine.here())
    assert state.usable is usable
    assert usable or f"CUDA_VISIBLE_DEVICES='{value}' hides every GPU" in state.reason


def test_the_part_is_registered():
    (part,) = plugin.hookline_processors()
    assert (part.name, part.device) == ("cupy", "cuda")
    assert isinstance(part.load(NoOptions()), CupyProcessor)
