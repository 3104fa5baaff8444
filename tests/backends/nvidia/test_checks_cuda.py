"""CUDA versions of packages and driver; NVRTC, headers, CuPy."""

from __future__ import annotations

import pytest

from backends.nvidia.checks import cuda_versions, cupy, majors, nvrtc
from backends.system import probing
from core.kinds.check import Finding, State
from tests.support.machine_tools import Machine, import_from, library, only, states


def torch(machine: Machine, cuda: str | None) -> None:
    machine.install("torch", "2.9.0")
    text = f"__version__ = '2.9.0'\ncuda: Optional[str] = {cuda!r}\nhip: Optional[str] = None\n"
    (machine.site / "torch").mkdir()
    (machine.site / "torch" / "version.py").write_text(text)


def test_versions_are_read_without_an_import(machine: Machine) -> None:
    torch(machine, "12.8")
    machine.install("cupy-cuda13x", "14.2.0")
    machine.install("tensorrt-cu13-libs", "10.16.1.11")
    machine.install("tensorrt-rtx-cu12", "1.7.1")
    assert cuda_versions(machine.here()) == {"torch": "12.8", "CuPy": "13", "TensorRT": "13", "TensorRT-RTX": "12"}


def test_one_major(machine: Machine) -> None:
    torch(machine, "13.0")
    machine.install("cupy-cuda13x", "14.2.0")
    assert only(majors(machine.here())).state is State.ok


@pytest.mark.parametrize(
    ("torch_cuda", "cupy_name", "remedy"),
    [
        ("12.8", "cupy-cuda13x", "install torch for CUDA 13 ("),
        ("13.0", "cupy-cuda12x", "install CuPy for CUDA 13 (pip install 'cupy-cuda13x[ctk]'"),
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
    assert states(found) == {"CUDA of the driver": State.error}
    assert found[0].found == "the driver supports CUDA up to 12.4; CuPy for CUDA 13"
    assert found[0].remedy == "update the driver, or install CuPy for CUDA 12"


def test_nothing_made_for_cuda(machine: Machine) -> None:
    torch(machine, None)
    assert list(majors(machine.here())) == []


@pytest.mark.parametrize(("cuda", "state"), [("13.0", State.ok), (None, State.warning)])
def test_torch_where_there_is_a_gpu(machine: Machine, cuda: str | None, state: State) -> None:
    torch(machine, cuda)
    assert "torch" not in states(majors(machine.here()))
    machine.gpus()
    assert only(majors(machine.here())).state is state


def test_cupy_twice(machine: Machine) -> None:
    machine.install("cupy-cuda12x", "13.6.0")
    machine.install("cupy-cuda13x", "14.2.0")
    machine.install("tensorrt-cu13", "11.4.0.106")
    finding = only(cupy(machine.here()))
    assert finding.state is State.error
    assert finding.remedy == "pip uninstall -y cupy-cuda12x cupy-cuda13x && pip install 'cupy-cuda13x[ctk]'"


def test_no_cupy_follows_tensorrt(machine: Machine) -> None:
    machine.install("tensorrt-cu12", "10.16.1.11")
    finding = only(cupy(machine.here()))
    assert finding.state is State.absent
    assert "cupy-cuda12x" in finding.remedy


def test_cupy_that_is_slow_to_import(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    monkeypatch.setattr(probing, "LIMIT", 0.5)
    machine.install("cupy-cuda13x", "14.2.0")
    machine.module("cupy", "import time; time.sleep(30)")
    assert only(cupy(machine.here())).remedy == probing.RETRY


def test_cupy_for_another_maker(machine: Machine) -> None:
    machine.install("cupy-rocm-7-0", "14.2.0")
    assert only(cupy(machine.here())).state is State.error


def test_cupy_is_imported_in_another_process(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    machine.install("cupy-cuda13x", "14.2.0")
    machine.module("cupy", "raise ImportError('libcublas.so.13: cannot open shared object file')")
    finding = only(cupy(machine.here()))
    assert finding.state is State.error
    assert "libcublas.so.13" in finding.found
    machine.module("cupy", "__version__ = '14.2.0'")
    assert only(cupy(machine.here())).state is State.ok


SOURCE = """
int nvrtcVersion(int *major, int *minor) { *major = %d; *minor = 2; return 0; }
int nvrtcCreateProgram(void **program, const char *s, const char *n, int c, void *h, void *i) { return 0; }
int nvrtcCompileProgram(void *program, int count, void *options) { return %d; }
"""
PATHFINDER = """
from types import SimpleNamespace
def load_nvidia_dynamic_lib(name):
    return SimpleNamespace(abs_path={path!r})
def find_nvidia_header_directory(name):
    return {headers!r}
"""


@pytest.fixture
def with_cupy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """CuPy for CUDA 13."""
    import_from(machine, monkeypatch)
    machine.install("cupy-cuda13x", "14.2.0")
    return machine


def look_for_nvrtc(machine: Machine, major: int = 13, status: int = 0, headers: str | None = "/cuda") -> list[Finding]:
    """A pathfinder that finds an NVRTC of this major version, which compiles with this result."""
    path = library(machine.root / f"libnvrtc-{major}-{status}.so", SOURCE % (major, status))
    (machine.site / "cuda" / "pathfinder").mkdir(parents=True, exist_ok=True)
    machine.module("cuda/pathfinder/__init__", PATHFINDER.format(path=str(path), headers=headers))
    return list(nvrtc(machine.here()))


def test_nvrtc_of_cupys_major(with_cupy: Machine) -> None:
    finding = only(look_for_nvrtc(with_cupy))
    assert (finding.state, finding.facts["version"]) == (State.ok, "13.2")


def test_cupy_takes_the_first_nvrtc_whichever_cuda_it_is_for(with_cupy: Machine) -> None:
    finding = only(look_for_nvrtc(with_cupy, 12))
    assert finding.state is State.warning
    assert "cupy-cuda12x" in finding.remedy


def test_nvrtc_that_does_not_compile(with_cupy: Machine) -> None:
    finding = only(look_for_nvrtc(with_cupy, status=7))
    assert finding.state is State.error
    assert "does not compile: error 7" in finding.found


def test_no_headers(with_cupy: Machine) -> None:
    assert states(look_for_nvrtc(with_cupy, headers=None)) == {"NVRTC": State.ok, "CUDA headers": State.error}


def test_nvrtc_without_cupy(machine: Machine) -> None:
    assert only(nvrtc(machine.here())).state is State.absent


def test_the_real_pathfinder_finds_no_nvrtc(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pathfinder = pytest.importorskip("cuda.pathfinder")
    try:
        pathfinder.load_nvidia_dynamic_lib("nvrtc")
    except pathfinder.DynamicLibNotFoundError:
        machine.install("cupy-cuda13x", "14.2.0")
        finding = only(nvrtc(machine.here()))
        assert finding.state is State.error
        assert "libnvrtc.so.13" in finding.found
        assert finding.remedy.startswith("pip install 'cupy-cuda13x[ctk]', or export CUDA_PATH")
    else:
        pytest.skip("NVRTC is installed")
