"""A TensorRT engine from a grafted model to its sidecar, over a recording fake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from backends.nvidia.nvml import Gpu
from backends.trt import opening
from backends.trt.engine import BuildDevice, build_engine, plugins_in
from backends.trt.library import adopt
from backends.trt.machine import this_machine
from backends.trt.options import Hardware, PluginForm, TrtOptions
from core.artifacts import Engine, GraftedModel
from core.errors import HooklineError, UnavailableError
from core.kinds.building import BuildJob, CalibrationFeed
from core.model_facts import InputContract, Precision
from tests.backends.trt import fake_tensorrt as fake
from tests.backends.trt.engines import TRT, EngineShim, FakeEngine, memory
from tests.support.build_tools import build_job
from tests.support.heads_tools import grafted, head_for, write_heads
from tests.support.stage_tools import make_context

L4 = Gpu("GPU-1", "NVIDIA L4", "8.9", 24, 20, "580.95.05")
SIZE = 64
CACHE = b"TRT-100-MinMaxCalibration\nimages: 3c010204\n"


def layer(name: str, precision: str) -> dict[str, Any]:
    tensor = {"Name": "x", "Format/Datatype": f"Row major linear {precision} format"}
    return {"Name": name, "LayerType": "CaskConvolution", "Inputs": [tensor], "Outputs": [tensor]}


class Inspected(FakeEngine):
    """Returns its layers."""

    layers: tuple[dict[str, Any], ...] = ()

    def create_engine_inspector(self) -> SimpleNamespace:
        text = json.dumps({"Layers": list(self.layers)})
        return SimpleNamespace(get_engine_information=lambda form: text, execution_context=None)


class Builder(fake.Builder):
    """Calibrates as TensorRT does: from the cache, or else from all batches."""

    num_DLA_cores = 0

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        calibrator = config.settings.get("int8_calibrator")
        if calibrator is not None and calibrator.read_calibration_cache() is None:
            while addresses := calibrator.get_batch(["images"]):
                shape = (calibrator.get_batch_size(), 3, SIZE, SIZE)
                self.trt.fed.append(memory(addresses[0], shape, np.float32).copy())
            calibrator.write_calibration_cache(CACHE)
        return super().build_serialized_network(network, config)


class Bench:
    """A build device with a fake TensorRT, and a record of its calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, major: int = 10, *layers: Any) -> None:
        self.trt, self.device = fake.fake_tensorrt(major), EngineShim()
        self.context, self.said = make_context(folder)
        self.target = self.context.workdir / "tiny.engine"
        self.engine = Inspected(self.device, profile=((1, 3, SIZE, SIZE),) * 3, static=True, layers=layers)
        self.trt.fed = []
        self.trt.OnnxParser = type("OnnxParser", (fake.OnnxParser,), {"parse": self.parse})
        self.trt.Builder = self.builder
        self.runtimes: list[Any] = []
        self.trt.Runtime = self.runtime
        self.trt.TensorIOMode = TRT.TensorIOMode
        self.trt.ExecutionContextAllocationStrategy = TRT.ExecutionContextAllocationStrategy
        self.trt.LayerInformationFormat = SimpleNamespace(JSON="json")
        if major == 10:
            self.trt.IInt8MinMaxCalibrator = type("IInt8MinMaxCalibrator", (fake.ILogger,), {})
        monkeypatch.setattr(opening, "register", lambda library: self.trt.calls.append("register"))
        self.place = BuildDevice(adopt(self.trt), L4, self.device)

    def builder(self, logger: Any) -> Builder:
        made = Builder(logger)
        made.trt = self.trt
        return made

    @staticmethod
    def parse(parser: Any, model: bytes) -> bool:
        parser.network.trt.calls.append("parse")
        parser.network._outputs = 4
        return bool(model)

    def runtime(self, logger: Any) -> Any:
        self.runtimes.append(SimpleNamespace(deserialize_cuda_engine=self.deserialise))
        return self.runtimes[-1]

    def deserialise(self, plan: bytes) -> FakeEngine:
        assert plan == b"a plan"
        self.trt.calls.append("deserialise")
        return self.engine

    def job(self, model: GraftedModel, **changes: Any) -> BuildJob:
        return build_job(model, self.target, cache_dir=self.context.cache_dir, reporter=self.context, **changes)

    def build(self, model: GraftedModel, options: TrtOptions | None = None, **changes: Any) -> Engine:
        return build_engine(self.job(model, **changes), options or TrtOptions(), self.place)


def model_of(folder: Path, precision: Precision = Precision.fp16) -> GraftedModel:
    heads = write_heads(folder / "heads.onnx", runtime="tensorrt", precision=precision)
    path = folder / "decoded.onnx"
    YoloLayerGraft(YoloLayerOptions()).append(heads, head_for(heads), path, score_threshold=0.25)
    contract = replace(heads.contract, batch=1, height=SIZE, width=SIZE, dynamic=())
    return replace(grafted(heads, path), contract=contract, notes=("of the model",))


def feed(*counts: int, fails: bool = False) -> CalibrationFeed:
    def batches(contract: InputContract) -> Iterator[np.ndarray]:
        for number, count in enumerate(counts):
            yield np.full((count, 3, contract.height, contract.width), number, np.float32)
        if fails:
            raise HooklineError("'5.png' is not an image", "repair it")

    return CalibrationFeed("digest of the images", None, batches)


def test_from_model_to_sidecar(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP16"), layer("p3", "FP32"), layer("b1", "FP16"))
    engine = bench.build(model_of(tmp_path), warmup=2)
    assert bench.trt.calls == ["register", "network 2", "parse", "build", "register", "deserialise"]
    assert engine.path.read_bytes() == b"a plan"
    assert (engine.runtime, engine.precision, engine.score_threshold) == ("tensorrt", Precision.fp16, 0.25)
    assert engine.notes == ("of the model",)
    assert {"tensorrt": "11.0.0.0", "gpu": "NVIDIA L4", "uuid": "GPU-1", "plugins": "YoloLayer_TRT"}.items() <= (
        engine.machine.items()
    )
    assert this_machine(bench.place.library, L4).items() <= engine.machine.items()
    assert len(engine.machine["model"]) == 64
    assert engine.settings["hardware"] == "this"
    assert "p3" in engine.settings["layers"]
    assert any("p3" in note for note in bench.said.notes)
    assert json.loads(bench.target.with_suffix(".layers.json").read_text())["Layers"][0]["Name"] == "stem"
    assert json.loads(bench.target.with_suffix(".precision.json").read_text())["higher"] == ["p3"]
    assert [context.runs for context in bench.engine.contexts] == [2]
    assert len(list((tmp_path / "cache" / "tensorrt" / "timing").glob("*.cache"))) == 1


def test_the_plugin_in_the_engine_is_needed_nowhere_else(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP16"))
    monkeypatch.setattr(opening, "register_ahead_of_time", lambda library: bench.trt.calls.append("ahead of time"))
    engine = bench.build(model_of(tmp_path), options=TrtOptions(plugin=PluginForm.ahead_of_time))
    assert bench.trt.calls == ["ahead of time", "network 2", "parse", "build", "deserialise"]
    assert engine.machine["plugins"] == ""
    assert engine.settings["plugin"] == "ahead_of_time"


def test_no_timing_cache_where_none_is_wanted(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP16"))
    bench.build(model_of(tmp_path), options=TrtOptions(timing_cache=False))
    assert not (tmp_path / "cache" / "tensorrt").exists()


def test_an_engine_without_the_requested_precision(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP32"))
    with pytest.raises(HooklineError, match="does not run in fp16"):
        bench.build(model_of(tmp_path))


def test_sizes_that_the_model_does_not_leave_open(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch)
    with pytest.raises(HooklineError, match=r"export\.dynamic=\[batch\]"):
        bench.build(model_of(tmp_path), batch={"min": 1, "opt": 4, "max": 8})
    assert bench.trt.calls == []


def test_a_dla_core_that_is_not_there(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP16"))
    monkeypatch.setattr(Builder, "num_DLA_cores", 1)
    bench.build(model_of(tmp_path), options=TrtOptions(dla=0))
    assert bench.trt.configs[0].settings["DLA_core"] == 0
    assert bench.runtimes[0].DLA_core == 0  # the one that it is opened for
    with pytest.raises(HooklineError, match="dla is 1, but this machine has 1 DLA cores; cores are numbered from 0"):
        bench.build(model_of(tmp_path), options=TrtOptions(dla=1))


def test_a_dla_core_does_not_compute_in_float32(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP32"))
    with pytest.raises(HooklineError, match="a DLA core supports float16 and int8 only; set precision=fp16"):
        bench.build(model_of(tmp_path, Precision.fp32), options=TrtOptions(dla=0))
    assert bench.trt.calls == []


@pytest.mark.parametrize(
    ("hardware", "capability"), [(Hardware.ampere_plus, "7.5"), (Hardware.same_compute_capability, "7.0")]
)
def test_engines_for_a_group_of_gpus_that_this_one_is_not_of(tmp_path, monkeypatch, hardware, capability):
    bench = Bench(tmp_path, monkeypatch, 11, layer("stem", "FP16"))
    older = replace(bench.place, gpu=replace(L4, name="an older one", capability=capability))
    job, options = bench.job(model_of(tmp_path)), TrtOptions(hardware=hardware)
    with pytest.raises(
        HooklineError, match=f"hardware={hardware.value} needs compute capability .*, but the an older one has"
    ):
        build_engine(job, options, older)
    assert bench.trt.calls == []
    build_engine(job, options, bench.place)


def test_calibration_by_tensorrt_and_a_second_build_without_images(tmp_path, monkeypatch):
    model = model_of(tmp_path, Precision.fp32)
    bench = Bench(tmp_path, monkeypatch, 10, layer("stem", "Int8"))
    engine = bench.build(model, calibration=feed(1, 1, 1))
    assert (engine.precision, engine.settings["int8"]) == (Precision.int8, "calibrator minmax")
    assert [float(images.mean()) for images in bench.trt.fed] == [0.0, 1.0, 2.0]
    flags = bench.trt.BuilderFlag
    assert bench.trt.configs[0].flags == {flags.INT8: True, flags.FP16: True}
    assert "network 0" in bench.trt.calls  # TensorRT chooses the precisions
    again = Bench(tmp_path, monkeypatch, 10, layer("stem", "Int8"))
    again.build(model, calibration=feed(fails=True))
    assert again.trt.fed == []


def test_other_images_are_calibrated_again(tmp_path, monkeypatch):
    model = model_of(tmp_path, Precision.fp32)
    for digest in ("one", "other"):
        bench = Bench(tmp_path, monkeypatch, 10, layer("stem", "Int8"))
        bench.build(model, calibration=replace(feed(1), digest=digest))
        assert len(bench.trt.fed) == 1


def test_what_fails_in_the_calibration_is_the_cause(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 10, layer("stem", "Int8"))
    bench.trt.script.plan = None
    with pytest.raises(HooklineError, match=r"'5\.png' is not an image; repair it"):
        bench.build(model_of(tmp_path, Precision.fp32), calibration=feed(1, fails=True))


def test_calibrators_are_refused_before_anything_else(tmp_path, monkeypatch):
    bench = Bench(tmp_path, monkeypatch, 11)
    missing = replace(model_of(tmp_path), path=tmp_path / "nowhere.onnx")
    with pytest.raises(UnavailableError, match=r"TensorRT 11\.0\.0\.0 has no calibrators: .*runtimes\.tensorrt\.int8"):
        bench.build(missing, calibration=feed(1))


def test_plugins_are_seen_in_the_graph(tmp_path):
    heads = write_heads(tmp_path / "heads.onnx", runtime="tensorrt")
    assert plugins_in(heads.path) == ()
    assert plugins_in(model_of(tmp_path).path) == ("YoloLayer_TRT",)
