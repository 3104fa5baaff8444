"""Building from an ONNX file to a plan over a recording fake: the calls, and the message of each refusal."""

from __future__ import annotations

import _thread
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from backends.trt.building import BuildSpec, build_plan
from backends.trt.library import adopt
from backends.trt.monitor import BuildProgress
from backends.trt.options import TrtOptions
from backends.trt.settings import SizeProfile
from backends.trt.timing_cache import TimingCache
from core.errors import HooklineError
from cuda_plugins.tensorrt_types import reported
from tests.backends.trt.fake_tensorrt import MEASURED, fake_tensorrt

PROFILE = SizeProfile("images", (1, 3, 64, 64), (4, 3, 64, 64), (8, 3, 96, 96))
STRONGLY_TYPED = 2


def recipe(folder: Path, **options: Any) -> BuildSpec:
    model = folder / "tiny.onnx"
    model.write_bytes(b"graph")
    return BuildSpec(model, **options)


@pytest.mark.parametrize("major", [10, 11])
def test_a_build_step_by_step(tmp_path, major):
    trt = fake_tensorrt(major)
    made = recipe(tmp_path, profile=PROFILE, register=lambda: trt.told.append("register"))
    assert build_plan(adopt(trt), made) == b"a plan"
    assert trt.told == ["register", f"network {STRONGLY_TYPED}", "parse graph", "build"]
    (config,) = trt.configs
    (profile,) = config.profiles
    assert profile.shapes == {"images": (PROFILE.min, PROFILE.opt, PROFILE.max)}
    assert config.profiling_verbosity is trt.ProfilingVerbosity.DETAILED


def test_a_static_model_has_no_profile(tmp_path):
    trt = fake_tensorrt()
    build_plan(adopt(trt), recipe(tmp_path))
    assert trt.configs[0].profiles == []


def test_precisions_of_its_own_choice(tmp_path):
    trt = fake_tensorrt(10)
    build_plan(adopt(trt), recipe(tmp_path, weak=True))
    assert trt.told[0] == "network 0"


def test_every_network_is_strongly_typed_where_the_flag_is_gone(tmp_path):
    trt = fake_tensorrt(11)
    trt.NetworkDefinitionCreationFlag = object()
    build_plan(adopt(trt), recipe(tmp_path))
    assert trt.told[0] == "network 0"


def test_last_changes_see_network_and_configuration(tmp_path):
    trt, seen = fake_tensorrt(), []
    build_plan(adopt(trt), recipe(tmp_path, prepare=lambda network, config: seen.append((network, config))))
    ((network, config),) = seen
    assert network.num_outputs == 1
    assert config is trt.configs[0]


def test_the_thread_that_builds_has_the_gpu(tmp_path):
    threads = []

    @contextmanager
    def here():
        threads.append(threading.get_ident())
        yield

    built_in = []
    trt = fake_tensorrt(at_step=lambda step: built_in.append(threading.get_ident()))
    build_plan(adopt(trt), recipe(tmp_path, here=here))
    assert set(built_in) <= set(threads)


def failure(folder: Path, major: int = 10, **script: Any) -> str:
    with pytest.raises(HooklineError) as caught:
        build_plan(adopt(fake_tensorrt(major, **script)), recipe(folder, profile=PROFILE))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            {"builder": False, "says": ((0, "CUDA initialization failure with error: 35"),)},
            "TensorRT 10.0.0.0 cannot create a builder: CUDA initialization failure with error: 35; check driver",
        ),
        ({"builder": False}, "cannot create a builder: pybind11::init(): factory function returned nullptr"),
        (
            {"errors": (("/stem/Conv", "Wobble", "Plugin not found"), ("x", "Y", "later"))},
            "TensorRT cannot read 'tiny.onnx': node '/stem/Conv' (Wobble): Plugin not found; write the file again",
        ),
        ({"errors": (("", "", "no graph"),)}, "cannot read 'tiny.onnx': no graph; "),
        ({"layers": 0}, "cannot read 'tiny.onnx': it has no network; "),
        ({"profile": -1}, "refuses the shapes 1x3x64x64 4x3x64x64 8x3x96x96: it logged no reason; set build.batch and"),
        ({"plan": None}, "cannot build 'tiny.onnx': it logged no reason; see docs/tensorrt.md"),
        (
            {"plan": None, "says": ((2, "a warning"), (0, "the cause"), (1, "between"), (1, "the end"))},
            "cannot build 'tiny.onnx': the cause ... the end; see docs/tensorrt.md",
        ),
        ({"plan": None, "says": ((4, "chat"), (2, "a warning"))}, "cannot build 'tiny.onnx': a warning; "),
        (
            {"plan": None, "says": ((0, "Error Code 2: OutOfMemory (Requested size was 9 bytes.)"),)},
            "Requested size was 9 bytes; free GPU memory, choose another GPU with device=",
        ),
        (
            {"plan": None, "says": ((0, "Could not find any implementation for node {Foreign}."),)},
            "Foreign}.; set runtimes.tensorrt.workspace=null for more scratch memory",
        ),
        (
            {"plan": None, "says": ((0, "CUDA driver is too old (cudaError 35)"),)},
            "check the driver with +stage=doctor",
        ),
    ],
)
def test_refusals(tmp_path, script, words):
    assert words in failure(tmp_path, **script)


def test_sizes_that_the_bindings_refuse(tmp_path):
    odd = SizeProfile("images", (-1, 3, 64, 64), (4, 3, 64, 64), (8, 3, 64, 64))
    with pytest.raises(HooklineError, match=r"refuses the shapes -1x3x64x64 .*; set build\.batch and build\.imgsz"):
        build_plan(adopt(fake_tensorrt()), recipe(tmp_path, profile=odd))


def test_a_dla_core_takes_one_size(tmp_path):
    trt = fake_tensorrt()
    trt.Builder.num_DLA_cores = 1
    options = TrtOptions(dla=0)
    with pytest.raises(
        HooklineError, match="static shapes only, but the engine is for 1x3x64x64 4x3x64x64 8x3x96x96; set"
    ):
        build_plan(adopt(trt), recipe(tmp_path, profile=PROFILE, options=options))
    fixed = SizeProfile("images", *[(4, 3, 64, 64)] * 3)
    assert build_plan(adopt(trt), recipe(tmp_path, profile=fixed, options=options)) == b"a plan"


def test_a_file_cut_to_nothing(tmp_path):
    trt = fake_tensorrt(says=((0, "ModelImporter.cpp: no model"),))
    empty = recipe(tmp_path)
    empty.model.write_bytes(b"")
    with pytest.raises(HooklineError, match=r"cannot read 'tiny\.onnx': ModelImporter\.cpp: no model; "):
        build_plan(adopt(trt), empty)


def test_what_failed_in_a_plugin_is_the_cause(tmp_path):
    @reported
    def configure_plugin(step: int) -> None:
        raise HooklineError(f"head {step} has two dimensions", "the remedy of the plugin")

    def step(number: int) -> None:
        with suppress(HooklineError):  # TensorRT calls it, and goes on to say that a plugin failed
            configure_plugin(number)

    said = failure(tmp_path, plan=None, at_step=step, steps=2, says=((0, "plugin failed"),))
    assert (
        said
        == "TensorRT cannot build 'tiny.onnx': a plugin failed: head 1 has two dimensions; the remedy of the plugin"
    )


class Line:
    """A progress line."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def advance(self, steps: int = 1, note: str = "") -> None:
        assert steps == 0
        self.notes.append(note)


def test_progress_is_told(tmp_path):
    line = Line()
    build_plan(adopt(fake_tensorrt(steps=2)), recipe(tmp_path), BuildProgress(partial(line.advance, 0)))
    assert line.notes == ["Building engine 0/2", "Building engine 1/2", "Building engine 2/2"]


def test_ctrl_c_ends_the_build_at_its_next_step(tmp_path):
    begun, steps = time.monotonic(), []

    def step(number: int) -> None:
        steps.append(number)
        if number == 0:
            _thread.interrupt_main()
        time.sleep(0.01)

    trt = fake_tensorrt(at_step=step, steps=2000)
    with pytest.raises(KeyboardInterrupt):
        build_plan(adopt(trt), recipe(tmp_path))
    assert len(steps) < 500
    assert time.monotonic() - begun < 5


def cache_of(folder: Path) -> TimingCache:
    return TimingCache(folder / "timing" / "gpu.cache")


def test_measurements_are_kept_and_used_again(tmp_path):
    for count in (1, 2):
        trt = fake_tensorrt()
        build_plan(adopt(trt), recipe(tmp_path, timing=cache_of(tmp_path)))
        assert trt.configs[0].timing is not None
        # The file is combined with the cache that the build started with: both contain the first measurement.
        assert cache_of(tmp_path).path.read_bytes().count(MEASURED) >= count


@pytest.mark.parametrize("refused", ["blobs", "fitting"], ids=["damaged", "of another release"])
def test_measurements_that_do_not_fit_are_begun_anew(tmp_path, refused):
    cache = cache_of(tmp_path)
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"foreign")
    trt = fake_tensorrt(**{refused: lambda blob: b"foreign" not in blob})
    assert build_plan(adopt(trt), recipe(tmp_path, timing=cache)) == b"a plan"
    assert cache.path.read_bytes() == MEASURED


def test_what_another_process_measured_meanwhile_stays(tmp_path):
    cache = cache_of(tmp_path)

    def other(step: int) -> None:
        cache.path.parent.mkdir(exist_ok=True)
        cache.path.write_bytes(b"of another ")

    build_plan(adopt(fake_tensorrt(at_step=other)), recipe(tmp_path, timing=cache))
    assert cache.path.read_bytes() == b"of another " + MEASURED


def test_no_measurements_of_a_build_that_failed(tmp_path):
    cache = cache_of(tmp_path)
    with pytest.raises(HooklineError):
        build_plan(adopt(fake_tensorrt(plan=None)), recipe(tmp_path, timing=cache))
    assert not cache.path.exists()
