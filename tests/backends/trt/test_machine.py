"""Which engines fit which machine, by NVIDIA's rules for plans, and the message of a refusal."""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import pytest

from backends.nvidia.nvml import Gpu
from backends.trt import machine
from backends.trt.library import Library
from backends.trt.machine import check_fits, cuda_of_package, fitting_gpu, machine_facts, this_machine
from core.artifacts import Engine
from core.errors import HooklineError
from tests.backends.trt.engines import NOTHING, about

L4 = Gpu("GPU-1", "NVIDIA L4", "8.9", 24, 20, "580.95.05")
L40S = replace(L4, uuid="GPU-2", name="NVIDIA L40S")
A10 = replace(L4, uuid="GPU-3", name="NVIDIA A10", capability="8.6")
T4 = replace(L4, uuid="GPU-4", name="Tesla T4", capability="7.5")
LARGE = replace(L4, uuid="MIG-1", name="NVIDIA A100-SXM4-40GB MIG 3g.20gb", capability="8.0")
SMALL = replace(LARGE, uuid="MIG-2", name="NVIDIA A100-SXM4-40GB MIG 1g.5gb")
ORIN = Gpu("", "NVIDIA Jetson AGX Orin", "", 0, 0, "")


def library(version: str = "10.16.1.11") -> Library:
    return Library(None, "TensorRT", version, NOTHING, None)


def built(gpu: Gpu = L4, version: str = "10.16.1.11", **settings: str) -> Engine:
    return replace(about(), machine=machine_facts(library(version), gpu), settings=settings)


def here(gpu: Gpu = L4, version: str = "10.16.1.11") -> dict[str, str]:
    return this_machine(library(version), gpu)


def refusal(engine: Engine, here: dict[str, str]) -> HooklineError:
    with pytest.raises(HooklineError) as error:
        check_fits(engine, here)
    return error.value


def test_the_key_of_the_store_names_no_single_card(monkeypatch):
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert here() == {
        "tensorrt": "10.16.1.11",
        "platform": "Linux aarch64",
        "gpu": "NVIDIA L4",
        "capability": "8.9",
    }
    assert here(replace(L4, uuid="GPU-9", driver="550.1", free=1)) == here()


def test_the_sidecar_has_more_facts():
    facts = machine_facts(library(), L4, ["YoloLayer_TRT", "Other"])
    more = {
        "system": platform.platform(terse=True),
        "uuid": "GPU-1",
        "driver": "580.95.05",
        "cuda": cuda_of_package(),
        "plugins": "YoloLayer_TRT,Other",
    }
    assert facts == {**here(), **more}


@pytest.mark.parametrize(
    ("installed", "cuda"),
    [
        (["tensorrt-cu12", "tensorrt-cu12-bindings"], "12"),
        (["tensorrt-cu13-bindings"], "13"),
        (["tensorrt"], ""),
    ],
)
def test_the_package_name_gives_its_cuda(monkeypatch, installed, cuda):
    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return "10.16.1.11"

    monkeypatch.setattr(machine, "version", version)
    assert machine_facts(library(), L4)["cuda"] == cuda


@pytest.mark.parametrize(
    ("engine", "machine"),
    [
        pytest.param(built(), here(), id="the same"),
        pytest.param(built(), here(replace(L4, uuid="GPU-9", driver="550.1")), id="another card and driver"),
        pytest.param(built(hardware="same_compute_capability"), here(L40S), id="same compute capability"),
        pytest.param(built(A10, hardware="ampere_plus"), here(L4), id="ampere plus, later"),
        pytest.param(built(L4, hardware="ampere_plus"), here(A10), id="ampere plus, earlier"),
        pytest.param(built(version_compatible="True"), here(version="10.16.1.12"), id="a later build"),
        pytest.param(built(version="10.9.0.34", version_compatible="True"), here(), id="numbers, not letters"),
        pytest.param(built(version_compatible="True"), here(version="11.4.0.106"), id="10 on 11"),
        pytest.param(built(ORIN), here(ORIN), id="a Jetson that tells nothing"),
        pytest.param(built(LARGE), here(replace(LARGE, uuid="MIG-3", total=1)), id="an instance of the same profile"),
    ],
)
def test_fits(engine, machine):
    check_fits(engine, machine)


@pytest.mark.parametrize(
    ("engine", "machine", "differences"),
    [
        (built(), here(L40S), "GPU NVIDIA L4 (here NVIDIA L40S)"),
        (built(), here(A10), "GPU NVIDIA L4 (here NVIDIA A10), compute capability 8.9 (here 8.6)"),
        (built(), here(version="10.16.1.12"), "TensorRT 10.16.1.11 (here 10.16.1.12)"),
        (built(), {**here(), "platform": "Windows AMD64"}, "platform "),
        (
            built(),
            here(replace(L4, uuid="MIG-1", total=5 << 30)),
            "GPU NVIDIA L4 (here NVIDIA L4, MIG instance of 5120 MiB)",
        ),
        (
            built(LARGE),
            here(SMALL),
            "GPU NVIDIA A100-SXM4-40GB MIG 3g.20gb (here NVIDIA A100-SXM4-40GB MIG 1g.5gb)",
        ),
        (
            built(hardware="same_compute_capability"),
            here(A10),
            "compute capability 8.9 (here 8.6)",
        ),
        (built(hardware="ampere_plus"), here(T4), "compute capability 8.9 (here 7.5)"),
        (built(hardware="ampere_plus"), here(version="10.16.1.12"), "TensorRT 10.16.1.11 (here 10.16.1.12)"),
        (built(version_compatible="True"), here(L40S), "GPU NVIDIA L4 (here NVIDIA L40S)"),
        (built(version_compatible="True"), here(version="10.9.0.34"), "TensorRT 10.16.1.11 (here 10.9.0.34)"),
        (
            built(version="11.4.0.106", version_compatible="True"),
            here(),
            "TensorRT 11.4.0.106 (here 10.16.1.11)",
        ),
        (
            built(version_compatible="True"),
            here(version="12.0.0.1"),
            "TensorRT 10.16.1.11 (here 12.0.0.1)",
        ),
        (
            replace(built(version_compatible="True"), machine={}),
            here(),
            "TensorRT unknown (here 10.16.1.11), platform unknown",
        ),
    ],
)
def test_refused(engine, machine, differences):
    error = refusal(engine, machine)
    assert error.message.startswith(f"engine 'a.engine' was built for another machine: {differences}")
    assert error.hint.startswith("rebuild it here with +stage=build weights=<the same> backend=tensorrt precision=fp16")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("engine", "machine", "advice"),
    [
        (built(), here(L40S), "runtimes.tensorrt.hardware=same_compute_capability fits all GPUs of 8.9"),
        (built(), here(A10), "runtimes.tensorrt.hardware=ampere_plus fits GPUs of compute capability 8.0 and later"),
        (built(T4), here(A10), ""),
        (built(), here(version="11.4.0.106"), "runtimes.tensorrt.version_compatible=true fits later releases too"),
        (built(), here(version="10.9.0.34"), ""),
    ],
)
def test_a_refusal_names_the_options_that_would_have_fitted(engine, machine, advice):
    _, _, found = refusal(engine, machine).hint.partition("; ")
    assert found == advice


def test_an_engine_of_a_calibrator_is_rebuilt_by_it():
    error = refusal(built(int8="calibrator entropy"), here(A10))
    assert "precision=fp16 runtimes.tensorrt.int8=calibrator runtimes.tensorrt.method=entropy" in error.hint


@pytest.fixture
def several(monkeypatch):
    """Return the GPUs of this machine."""

    def there(*found: Gpu) -> None:
        def choose(device: str) -> Gpu:
            return found[int(device.partition(":")[2])] if ":" in device else max(found, key=lambda gpu: gpu.free)

        monkeypatch.setattr(machine.nvidia_gpu, "gpus", lambda: found)
        monkeypatch.setattr(machine.nvidia_gpu, "choose", choose)

    return there


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_an_engine_is_opened_on_the_freest_gpu_that_it_fits(several, device):
    busy, freer = replace(L4, uuid="GPU-8", free=1), replace(L4, uuid="GPU-9", free=10)
    several(busy, freer, replace(A10, free=20))
    assert fitting_gpu(built(), library(), device) == freer


def test_a_gpu_that_was_named_is_not_changed_for_another(several):
    several(A10, L4)
    assert fitting_gpu(built(), library(), "cuda:1") == L4
    with pytest.raises(HooklineError, match=r"GPU NVIDIA L4 \(here NVIDIA A10\)"):
        fitting_gpu(built(), library(), "cuda:0")


def test_an_engine_that_fits_no_gpu_is_compared_with_the_freest(several):
    several(T4, replace(A10, free=21))
    with pytest.raises(HooklineError, match=r"GPU NVIDIA L4 \(here NVIDIA A10\)"):
        fitting_gpu(built(), library(), "auto")


@pytest.mark.parametrize("hardware", ["this", "ampere_plus", "same_compute_capability"])
def test_a_board_whose_capability_nvml_does_not_tell_opens_what_it_built(hardware):
    check_fits(built(ORIN, hardware=hardware), here(ORIN))
