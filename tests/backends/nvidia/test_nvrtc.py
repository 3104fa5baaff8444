"""NVRTC and CUDA's headers, as CuPy finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.nvidia.nvrtc import headers, nvrtc, taken
from core.kinds.check import Finding, State
from tests.support.machine_tools import Machine, library, only, states

NVRTC = "int nvrtcVersion(int *major, int *minor) {{ *major = {}; *minor = {}; return 0; }}"
HEADER = "cuda_runtime.h"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def look(machine: Machine) -> list[Finding]:
    return list(nvrtc(machine.here()))


def put(folder: Path, major: int, minor: int = 0) -> Path:
    """NVRTC and its builtins; gives the path of the former."""
    path = library(folder / f"libnvrtc.so.{major}", NVRTC.format(major, minor))
    (folder / f"libnvrtc-builtins.so.{major}.{minor}").touch()
    return path


def packaged(machine: Machine, package: str, major: int) -> Path:
    return put(machine.site / "nvidia" / package / "lib", major)


def cupy(machine: Machine, cuda: int = 13, version: str = "14.2.0") -> None:
    """CuPy, and the headers of a package."""
    machine.install(f"cupy-cuda{cuda}x", version)
    include = machine.site / "nvidia" / "cu13" / "include"
    include.mkdir(parents=True)
    (include / HEADER).touch()


def test_nvrtc_must_be_of_cupys_major(machine: Machine) -> None:
    packaged(machine, "cuda_nvrtc", 12)
    assert only(look(machine)).state is State.ok
    cupy(machine)
    finding = only(look(machine))
    assert finding.state is State.error
    assert "libnvrtc.so.13" in finding.found
    assert "cupy-cuda13x[ctk]" in finding.remedy


def test_cupy_takes_the_first_whichever_cuda_it_is_for(machine: Machine) -> None:
    cupy(machine, 12)
    packaged(machine, "cuda_nvrtc", 12)
    newer = packaged(machine, "cu13", 13)
    found = look(machine)
    assert [finding.state for finding in found] == [State.warning, State.ok]
    assert str(newer) in found[0].found
    assert "13.0" in found[1].found


def test_before_cuda_pathfinder_cupy_took_its_own(machine: Machine) -> None:
    cupy(machine, 12, "13.6.0")
    packaged(machine, "cuda_nvrtc", 12)
    packaged(machine, "cu13", 13)
    assert "12.0" in only(look(machine)).found


def test_the_order_of_cuda_pathfinder(machine: Machine) -> None:
    conda, toolkit, other = (machine.root / name for name in ("conda", "toolkit", "other"))
    machine.environment |= {"CONDA_PREFIX": str(conda), "CUDA_PATH": str(toolkit), "CUDA_HOME": str(other)}
    assert taken(machine.here()) is None
    put(other / "lib64", 13)
    assert taken(machine.here()) is None
    steps = [put(toolkit / "lib", 12), put(toolkit / "lib64", 12)]
    assert taken(machine.here()) == steps[-1]
    for folder, major in (("/usr/lib64", 12), ("/usr/lib/x86_64-linux-gnu", 13)):
        path = put(machine.root / folder.lstrip("/"), major)
        assert taken(machine.here()) == path
    path = put(conda / "lib", 12)
    assert taken(machine.here()) == path
    path = packaged(machine, "cuda_nvrtc", 12)
    assert taken(machine.here()) == path


def test_a_toolkit_that_nothing_names(machine: Machine) -> None:
    cupy(machine)
    path = put(machine.root / "usr/local/cuda/lib64", 13)
    finding = only(look(machine))
    assert finding.state is State.error
    assert f"export CUDA_PATH={path.parent.parent}" in finding.remedy
    machine.environment["CUDA_PATH"] = str(path.parent.parent)
    assert only(look(machine)).state is State.ok


def test_nvrtc_without_its_builtins(machine: Machine) -> None:
    path = packaged(machine, "cu13", 13)
    path.with_name("libnvrtc-builtins.so.13.0").unlink()
    finding = only(look(machine))
    assert finding.state is State.error
    assert "libnvrtc-builtins.so.13.0" in finding.found


@pytest.mark.parametrize(("version", "state"), [("14.2.0", State.error), ("13.6.0", State.warning)])
def test_cupy_compiles_nothing_without_headers(machine: Machine, version: str, state: State) -> None:
    machine.install("cupy-cuda13x", version)
    packaged(machine, "cu13", 13)
    assert states(look(machine)) == {"NVRTC": State.ok, "CUDA headers": state}
    machine.write(f"/usr/local/cuda/include/{HEADER}")
    assert "export CUDA_PATH=/usr/local/cuda" in look(machine)[1].remedy
    machine.environment["CUDA_PATH"] = str(machine.root / "usr/local/cuda")
    assert states(look(machine)) == {"NVRTC": State.ok}


def test_where_headers_are_found(machine: Machine) -> None:
    assert headers(machine.here()) is None
    folders = []
    for place in ("/opt/cuda/targets/x86_64-linux/lib", "/opt/cuda-12/lib64"):
        library(machine.root / place.lstrip("/") / "libcudart.so.13")
        machine.environment["LD_LIBRARY_PATH"] = str(machine.root / place.lstrip("/"))
        include = place.replace("/targets/x86_64-linux/lib", "/include").replace("/lib64", "/include")
        folders.append(machine.write(f"{include}/{HEADER}").parent)
        assert headers(machine.here()) == folders[-1]
    machine.environment["CONDA_PREFIX"] = str(machine.root / "conda")
    path = machine.write(f"/conda/targets/x86_64-linux/include/{HEADER}")
    assert headers(machine.here()) == path.parent


def test_no_nvrtc(machine: Machine) -> None:
    assert only(look(machine)).state is State.absent


def test_broken_nvrtc(machine: Machine) -> None:
    machine.write("/usr/lib64/libnvrtc.so.13", "broken")
    assert only(look(machine)).state is State.error
