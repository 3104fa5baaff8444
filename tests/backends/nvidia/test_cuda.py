"""Versions of CUDA beside each other; runtime, NVRTC, headers, CuPy."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.nvidia.cuda import cuda_users, majors, nvcc, runtime, torch_build
from backends.nvidia.cupy_package import cupy
from backends.system import native
from core.kinds.check import State
from tests.support.machine_tools import Machine, asked, import_from, library, only, states

CUDART = "int cudaRuntimeGetVersion(int *v) {{ *v = {}; return 0; }}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def torch(machine: Machine, cuda: str | None) -> None:
    machine.install("torch", "2.9.0")
    text = f"__version__ = '2.9.0'\ncuda: Optional[str] = {cuda!r}\nhip: Optional[str] = None\n"
    (machine.site / "torch").mkdir()
    (machine.site / "torch" / "version.py").write_text(text)


def test_users_of_cuda_are_read_without_importing_them(machine: Machine) -> None:
    torch(machine, "12.8")
    machine.install("cupy-cuda13x", "14.2.0")
    machine.install("tensorrt-cu13-libs", "10.16.1.11")
    machine.install("tensorrt-rtx-cu12", "1.7.1")
    assert cuda_users(machine.here()) == {"torch": "12.8", "CuPy": "13", "TensorRT": "13", "TensorRT-RTX": "12"}


def test_one_major(machine: Machine) -> None:
    torch(machine, "13.0")
    machine.install("cupy-cuda13x", "14.2.0")
    assert only(majors(machine.here())).state is State.ok


@pytest.mark.parametrize(
    ("torch_cuda", "cupy_name", "remedy"),
    [
        ("12.8", "cupy-cuda13x", "install PyTorch for CUDA 13"),
        ("13.0", "cupy-cuda12x", "pip uninstall -y cupy-cuda12x && pip install 'cupy-cuda13x[ctk]'"),
    ],
)
def test_majors_that_differ(machine: Machine, torch_cuda: str, cupy_name: str, remedy: str) -> None:
    torch(machine, torch_cuda)
    machine.install(cupy_name, "14.2.0")
    machine.install("tensorrt-cu13", "11.4.0.106")
    finding = only(majors(machine.here()))
    assert finding.state is State.warning
    assert remedy in finding.remedy


def test_driver_older_than_the_packages(machine: Machine) -> None:
    machine.gpus()
    machine.driver_library(12040)
    machine.install("cupy-cuda13x", "14.2.0")
    found = list(majors(machine.here()))
    assert states(found) == {"CUDA majors": State.ok, "CUDA of the driver": State.error}
    assert "12.4" in found[1].found
    assert "cupy-cuda12x" in found[1].remedy


def test_nothing_made_for_cuda(machine: Machine) -> None:
    torch(machine, None)
    assert list(majors(machine.here())) == []


@pytest.mark.parametrize(("cuda", "state"), [("13.0", State.ok), (None, State.warning)])
def test_torch_where_there_is_a_gpu(machine: Machine, cuda: str | None, state: State) -> None:
    torch(machine, cuda)
    assert list(torch_build(machine.here())) == []
    machine.gpus()
    assert only(torch_build(machine.here())).state is state


def test_runtimes_of_two_majors(machine: Machine) -> None:
    library(machine.site / "nvidia/cu13/lib/libcudart.so.13", CUDART.format(13050))
    library(machine.site / "nvidia/cuda_runtime/lib/libcudart.so.12", CUDART.format(12090))
    found = list(runtime(machine.here()))
    assert [item.facts["version"] for item in found] == ["13.5", "12.9"]
    assert "site-packages/nvidia/cu13" in found[0].found


def test_no_runtime(machine: Machine) -> None:
    assert only(runtime(machine.here())).state is State.absent


def test_runtime_that_cannot_be_loaded(machine: Machine) -> None:
    machine.write("/usr/lib64/libcudart.so.12", "broken")
    finding = only(runtime(machine.here()))
    assert finding.state is State.warning
    assert "nvidia-cuda-runtime-cu12" in finding.remedy


def test_cupy_twice(machine: Machine) -> None:
    machine.install("cupy-cuda12x", "13.6.0")
    machine.install("cupy-cuda13x", "14.2.0")
    machine.install("tensorrt-cu13", "11.4.0.106")
    finding = only(cupy(asked(machine.root), machine.here()))
    assert finding.state is State.error
    assert finding.remedy == "pip uninstall -y cupy-cuda12x cupy-cuda13x && pip install 'cupy-cuda13x[ctk]'"


def test_no_cupy_follows_tensorrt(machine: Machine) -> None:
    machine.install("tensorrt-cu12", "10.16.1.11")
    finding = only(cupy(asked(machine.root), machine.here()))
    assert finding.state is State.absent
    assert "cupy-cuda12x" in finding.remedy


def test_no_cupy_where_engines_are_only_built(machine: Machine) -> None:
    given = asked(machine.root, backend="tensorrt_rtx", processor="opencv")
    finding = only(cupy(given, machine.here()))
    assert finding.state is State.warning
    assert "building works here, running does not" in finding.found


def test_cupy_that_is_slow_to_import(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    monkeypatch.setattr(native, "LIMIT", 0.5)
    machine.install("cupy-cuda13x", "14.2.0")
    machine.module("cupy", "import time; time.sleep(30)")
    assert only(cupy(asked(machine.root), machine.here())).remedy == native.AGAIN


def test_cupy_for_another_maker(machine: Machine) -> None:
    machine.install("cupy-rocm-7-0", "14.2.0")
    assert "AMD" in only(cupy(asked(machine.root), machine.here())).found


def test_cupy_is_imported_in_another_process(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    machine.install("cupy-cuda13x", "14.2.0")
    machine.module("cupy", "raise ImportError('libcublas.so.13: cannot open shared object file')")
    finding = only(cupy(asked(machine.root), machine.here()))
    assert finding.state is State.error
    assert "libcublas.so.13" in finding.found
    machine.module("cupy", "__version__ = '14.2.0'")
    assert only(cupy(asked(machine.root), machine.here())).state is State.ok


def test_nvcc(machine: Machine) -> None:
    machine.environment["PATH"] = ""
    assert only(nvcc(machine.here())).state is State.absent
    path = machine.write(
        "/usr/local/cuda/bin/nvcc", "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
    )
    path.chmod(0o755)
    assert only(nvcc(machine.here())).facts["version"] == "13.0"
    path.write_text("not a program")
    assert only(nvcc(machine.here())).state is State.warning
