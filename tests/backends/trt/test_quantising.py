"""INT8 by TensorRT itself: the calls of a build, with images and with the ranges of a table."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.trt.library import Library
from backends.trt.options import Method
from backends.trt.quantising import Quantising, apply_ranges, check_calibrators
from backends.trt.settings import SizeProfile
from core.calibration import Ranges, TensorRange
from core.errors import HooklineError, UnavailableError
from core.kinds.building import CalibrationFeed
from core.model_facts import InputContract
from tests.backends.gpu.devices import ShimDevice
from tests.backends.trt.engines import NOTHING
from tests.backends.trt_rtx.rtx_tools import official
from tests.support.yolov5_tools import tiny_checkpoint

PROFILE = SizeProfile("images", (1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))
PARSE = """
import json, sys
import tensorrt_rtx as trt
from backends.trt.quantising import tensors_of
logger = trt.Logger(trt.Logger.ERROR)
network = trt.Builder(logger).create_network(0)
assert trt.OnnxParser(network, logger).parse(open(sys.argv[1], "rb").read())
print(json.dumps([tensor.name for tensor in tensors_of(network)]))
"""


@dataclass
class Tensor:
    name: str
    takes: bool = True
    range: tuple[float, float] | None = None

    def set_dynamic_range(self, min: float, max: float) -> bool:  # noqa: A002
        self.range = (min, max)
        return self.takes


@dataclass
class Network:
    """A network with one input, and layers with two outputs each."""

    tensors: list[Tensor]
    num_inputs: int = 1
    profiles: list[dict[str, Any]] = field(default_factory=list)

    @property
    def num_layers(self) -> int:
        return len(self.tensors) // 2

    @property
    def builder(self) -> SimpleNamespace:
        return SimpleNamespace(create_optimization_profile=self.profile)

    def profile(self) -> SimpleNamespace:
        self.profiles.append({})
        return SimpleNamespace(set_shape=lambda name, *sizes: self.profiles[-1].update({name: sizes}))

    def get_input(self, index: int) -> Tensor:
        return self.tensors[index]

    def get_layer(self, index: int) -> SimpleNamespace:
        outputs = self.tensors[1 + 2 * index : 3 + 2 * index]
        return SimpleNamespace(num_outputs=len(outputs), get_output=outputs.__getitem__)


class Config:
    def __init__(self, *, takes: bool = True) -> None:
        self.flags: list[str] = []
        self.set_flag, self.takes = self.flags.append, takes
        self.int8_calibrator: Any = None
        self.calibration_profile: Any = None

    def set_calibration_profile(self, profile: Any) -> bool:
        self.calibration_profile = profile
        return self.takes


class Base:
    """The base class of a calibrator."""


def network(*names: str) -> Network:
    return Network([Tensor(name) for name in names])


def table(**amax: float) -> Ranges:
    tensors = {name: TensorRange(-value, value, -value, value, value) for name, value in amax.items()}
    return Ranges("minmax", 1, "", "", "", tensors)


def library(version: str = "10.16.1.11", **able: bool) -> Library:
    flags = SimpleNamespace(INT8="INT8", FP16="FP16")
    trt = SimpleNamespace(BuilderFlag=flags, IInt8MinMaxCalibrator=Base, IInt8EntropyCalibrator2=Base)
    able = {"calibrators": True, "dynamic_ranges": True} | able
    return Library(trt, "TensorRT", version, replace(NOTHING, **able), None)


def quantising(tmp_path, **changes: Any) -> Quantising:
    def batches(contract: InputContract):
        yield np.zeros((contract.batch, 3, contract.height, contract.width), np.float32)

    facts = {
        "library": library(),
        "feed": CalibrationFeed("digest", None, batches),
        "method": Method.minmax,
        "contract": InputContract(2, 8, 8),
        "profile": PROFILE,
        "device": ShimDevice(),
        "cache_dir": tmp_path,
        "model": "model",
    }
    return Quantising(**facts | changes)


def test_refused_where_tensorrt_cannot():
    check_calibrators(library())
    with pytest.raises(
        UnavailableError, match=r"TensorRT 11\.4\.0\.106 has no calibrators: .*; remove runtimes\.tensorrt\.int8"
    ):
        check_calibrators(library("11.4.0.106", calibrators=False))


def test_with_images_the_builder_gets_flags_calibrator_and_the_optimum_size(tmp_path):
    net, config, work = network("images", "a", "b"), Config(), quantising(tmp_path)
    work.prepare(net, config)
    assert config.flags == ["INT8", "FP16"]
    assert config.int8_calibrator.get_batch_size() == 2
    assert isinstance(config.int8_calibrator.get_batch(["images"])[0], int)
    assert config.int8_calibrator.get_batch(["images"]) is None
    assert net.profiles == [{"images": (PROFILE.opt,) * 3}]
    work.failure.reraise()


def test_a_static_network_needs_no_profile(tmp_path):
    net, config = network("images", "a", "b"), Config()
    quantising(tmp_path, profile=None).prepare(net, config)
    assert (net.profiles, config.calibration_profile) == ([], None)


def test_a_size_that_tensorrt_does_not_calibrate_at(tmp_path):
    with pytest.raises(HooklineError, match=r"cannot calibrate at \(2, 3, 8, 8\); set another build\.imgsz"):
        quantising(tmp_path).prepare(network("images"), Config(takes=False))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"method": Method.entropy},
        {"feed": CalibrationFeed("other", None, iter)},
        {"contract": InputContract(4, 8, 8)},
        {"library": library("10.9.0.34")},
    ],
    ids=["model", "algorithm", "pictures", "batch", "release"],
)
def test_a_cache_is_for_one_model_algorithm_data_size_and_release(tmp_path, change):
    assert quantising(tmp_path).cache == quantising(tmp_path).cache
    assert quantising(tmp_path).cache != quantising(tmp_path, **change).cache


def test_a_table_sets_ranges_and_needs_no_calibrator(tmp_path):
    table(images=1.0, a=2.5).write(tmp_path / "table.json")
    net, config = network("images", "a", "b"), Config()
    feed = CalibrationFeed("", tmp_path / "table.json", None)
    quantising(tmp_path, feed=feed).prepare(net, config)
    assert [tensor.range for tensor in net.tensors] == [(-1.0, 1.0), (-2.5, 2.5), None]
    assert (config.flags, config.int8_calibrator) == (["INT8", "FP16"], None)


def test_a_table_where_no_ranges_are_taken(tmp_path):
    table(images=1.0).write(tmp_path / "table.json")
    feed = CalibrationFeed("", tmp_path / "table.json", None)
    with pytest.raises(
        UnavailableError, match=r"does not accept ranges from a table; set runtimes\.tensorrt\.method=minmax"
    ):
        quantising(tmp_path, feed=feed, library=library(dynamic_ranges=False)).prepare(network("images"), Config())


def test_ranges_of_zero_are_left_out_and_constants_may_be_missing():
    names = [f"t{number}" for number in range(9)]
    found, missing = apply_ranges(network(*names), table(**dict.fromkeys(names, 1.0) | {"factors": 2.0, "t3": 0.0}))
    assert found == [name for name in names if name != "t3"]
    assert missing == ["factors"]


def test_a_table_of_another_model():
    known = [f"t{number}" for number in range(8)]
    with pytest.raises(HooklineError, match=r"another model: 1 of its 9 tensors are not in this one, for example 'x'"):
        apply_ranges(network(*known), table(**dict.fromkeys(known, 1.0), x=1.0))


def test_a_range_that_tensorrt_refuses():
    net = Network([Tensor("images", takes=False)])
    with pytest.raises(HooklineError, match=r"refuses the range 3\.0 of 'images'"):
        apply_ranges(net, table(images=3.0))


def test_the_table_of_a_detector_fits_what_the_parser_makes_of_it(tmp_path, repo_root):
    pytest.importorskip("tensorrt_rtx", reason="it has the parser of TensorRT (Linux on x86-64 only)")
    tiny_checkpoint(tmp_path / "tiny.safetensors")
    model, seen = official(tmp_path, tmp_path / "tiny.safetensors", dynamic=False)
    command = [sys.executable, "-c", PARSE, str(model.path)]
    done = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=True)
    names = json.loads(done.stdout.splitlines()[-1])
    found, missing = apply_ranges(network(*names), Ranges("minmax", 1, "", "", "", seen))
    assert set(found) | set(missing) == set(seen)
    assert {"images", "p3", "p4", "p5"} <= set(names)
    assert len(missing) == 2
    assert all(name.endswith("/up/Constant_output_0") for name in missing)
