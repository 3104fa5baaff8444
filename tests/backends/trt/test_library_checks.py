"""Checks of TensorRT installations: complete, partial, of two releases, broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.system import probing
from backends.system.host import Host
from backends.trt.library_checks import examine_resources, tensorrt
from backends.trt_rtx.checks import tensorrt_rtx
from core.kinds.check import Finding, State
from tests.support.machine_tools import Machine, import_from, library, only, states

VERSION = "int getInferLibVersion(void) {{ return {}; }}"


def packages(machine: Machine, version: str = "10.16.1.11", cuda: str = "cu13") -> None:
    for name in (f"tensorrt-{cuda}", f"tensorrt-{cuda}-bindings", f"tensorrt-{cuda}-libs"):
        machine.install(name, version)


def libraries(machine: Machine, number: int = 101601) -> Path:
    folder = machine.site / "tensorrt_libs"
    path = library(folder / "libnvinfer.so.10", VERSION.format(number))
    machine.module("tensorrt", f"import ctypes; ctypes.CDLL({str(path)!r}); __version__ = '10.16.1.11'")
    library(folder / "libnvinfer_builder_resource_sm86.so.10.16.1")
    library(folder / "libnvinfer_builder_resource_ptx.so.10.16.1")
    return folder


def look(machine: Machine) -> list[Finding]:
    return list(tensorrt(machine.here()))


def test_not_installed(machine: Machine) -> None:
    finding = only(look(machine))
    assert finding.state is State.absent
    assert finding.remedy.startswith("pip install tensorrt-cu13")


def test_bindings_without_libraries(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    machine.install("tensorrt-cu12-bindings", "11.4.0.106")
    machine.module("tensorrt", "raise ImportError('libnvonnxparser.so.11: cannot open shared object file')")
    finding = only(look(machine))
    assert finding.state is State.error
    assert "libnvonnxparser.so.11" in finding.found
    assert finding.remedy.startswith("pip install --force-reinstall tensorrt-cu12 ")


def test_whole(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    packages(machine)
    folder = libraries(machine)
    found = look(machine)
    assert states(found) == {"TensorRT": State.ok, "builder resource": State.ok}
    assert found[0].facts == {"version": "10.16.1.11", "path": str(folder)}
    assert "ptx, sm86" in found[1].found


def test_module_that_cannot_be_imported(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    packages(machine)
    machine.module("tensorrt", "raise ImportError('bad')")
    assert states(look(machine))["TensorRT"] is State.error


def test_module_that_is_slow_to_import(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    monkeypatch.setattr(probing, "LIMIT", 0.5)
    packages(machine)
    machine.module("tensorrt", "import time; time.sleep(30)")
    assert look(machine)[0].remedy == probing.RETRY


@pytest.mark.parametrize(
    ("name", "version"), [("tensorrt-cu13-libs", "11.4.0.106"), ("tensorrt-cu12-libs", "10.16.1.11")]
)
def test_packages_of_different_releases(machine: Machine, name: str, version: str) -> None:
    machine.install("tensorrt-cu13", "10.16.1.11")
    machine.install(name, version)
    finding = only(look(machine))
    assert finding.state is State.error
    assert finding.remedy.startswith("pip uninstall -y tensorrt-cu")


def test_library_of_another_release(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    packages(machine)
    libraries(machine, 110400)
    finding = only(look(machine))
    assert finding.state is State.error
    assert "is release 11.4.0, the Python package 10.16.1.11" in finding.found


def test_builder_resource_is_missing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    packages(machine)
    for path in libraries(machine).glob("*resource*"):
        path.unlink()
    finding = look(machine)[1]
    assert finding.state is State.error
    assert "not built" in finding.found


@pytest.mark.parametrize(
    ("capability", "names", "state"),
    [
        ("8.6", "sm86 ptx", State.ok),
        ("8.7", "sm86 ptx", State.ok),
        ("", "sm86 ptx", State.ok),
        ("12.0", "sm86 ptx", State.warning),
        ("12.1", "sm86 sm120", State.warning),
        ("10.3", "sm86 sm100", State.warning),
        ("12.0", "sm86 sm100", State.error),
        ("10.0", "sm75", State.error),
    ],
)
def test_builder_resource_of_the_gpu(machine: Machine, capability: str, names: str, state: State) -> None:
    for name in names.split():
        machine.write(f"libnvinfer_builder_resource_{name}.so.10.16.1")
    finding = examine_resources(machine.root, capability, "reinstall")
    states([finding])
    assert finding.state is state


@pytest.mark.parametrize(
    ("trt", "numpy", "expected"),
    [("10.16.1.11", "2.4.6", True), ("10.16.1.11", "2.3.1", False), ("11.4.0.106", "2.4.6", False)],
)
def test_numpy_with_tensorrt_10(machine: Machine, trt: str, numpy: str, expected: bool) -> None:
    packages(machine, trt)
    machine.install("numpy", numpy)
    warned = [item for item in look(machine) if item.subject == "NumPy"]
    assert bool(warned) is expected
    assert not expected or "numpy<2.4" in only(warned).remedy


@pytest.mark.parametrize(
    ("trt", "numpy", "state"),
    [
        ("10.15.1.29", "2.0.2", State.error),
        ("10.3.0", "2.4.6", State.error),
        ("10.3.0", "1.26.4", None),
        ("10.16.0.72", "2.0.2", None),
    ],
)
def test_bindings_that_misread_numpy_2(machine: Machine, trt: str, numpy: str, state: State | None) -> None:
    packages(machine, trt)
    machine.install("numpy", numpy)
    found = [item for item in look(machine) if item.subject == "NumPy"]
    assert [item.state for item in found] == [state] * (state is not None)
    assert all("10.16 or later" in item.remedy and "numpy<2'" in item.remedy for item in found)


def test_missing_rtx(machine: Machine) -> None:
    assert only(tensorrt_rtx(machine.here())).state is State.absent


def test_real_rtx() -> None:
    here = Host()
    if "tensorrt-rtx-cu13" not in here.packages:
        pytest.skip("TensorRT-RTX is not installed")
    finding = only(tensorrt_rtx(here))
    assert finding.state is State.ok
    assert finding.facts["version"] == here.packages["tensorrt-rtx-cu13"].version
