"""Operating system, Python, packages, shared memory, disk."""

from __future__ import annotations

import collections
import os

import pytest

from backends.system import checks, probing
from backends.system.checks import disk, opencv, packages, shared_memory, system, video
from core.kinds.check import State
from tests.support.machine_tools import Machine, asked, import_from, only, states

Usage = collections.namedtuple("Usage", "total used free")


def test_system(machine: Machine) -> None:
    machine.write("/etc/os-release", 'NAME="x"\nPRETTY_NAME="Ubuntu 24.04.2 LTS"\n')
    finding = only(system(machine.here()))
    assert finding.found.startswith("Ubuntu 24.04.2 LTS, ")
    assert finding.found.endswith("no container")


def test_other_systems_are_not_tested(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.platform, "system", lambda: "Darwin")
    assert only(system(machine.here())).state is State.warning


@pytest.mark.parametrize(
    ("place", "text", "environment", "kind"),
    [
        ("/etc/nothing", "", {}, ""),
        ("/.dockerenv", "", {}, "Docker"),
        ("/run/.containerenv", "", {}, "Podman"),
        ("/proc/version", "Linux 6.6-Microsoft-standard-WSL2", {}, "WSL"),
        ("/.dockerenv", "", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "Kubernetes"),
        ("/etc/nothing", "", {"container": "lxc"}, "lxc"),
        ("/.singularity.d/env", "", {}, "Apptainer"),
        ("/proc/version", "Linux 6.6-Microsoft-standard-WSL2", {"container": "wsl"}, "WSL"),
        ("/proc/version", "Linux 6.6-Microsoft-standard-WSL2", {"KUBERNETES_SERVICE_HOST": "1"}, "Kubernetes"),
    ],
)
def test_containers(machine: Machine, place: str, text: str, environment: dict[str, str], kind: str) -> None:
    machine.write(place, text)
    machine.environment |= environment
    assert machine.here().container == kind


@pytest.mark.parametrize(("wanted", "state"), [(">=3.10", State.ok), ("<3.9", State.warning)])
def test_python_against_the_range(machine: Machine, wanted: str, state: State) -> None:
    machine.install("hookline", "1.0", f"Requires-Python: {wanted}")
    assert states(packages(machine.here())) == {"Python": state}


def test_dependencies(machine: Machine) -> None:
    machine.install(
        "hookline",
        "1.0",
        "Requires-Dist: numpy>=1.26\nRequires-Dist: onnx>=1.16\nRequires-Dist: PyYAML>=6\n"
        'Requires-Dist: wandb; extra == "wandb"',
    )
    machine.install("numpy", "2.4.6")
    machine.install("onnx", "1.15.0")
    found = list(packages(machine.here()))
    assert states(found) == {
        "Python": State.ok,
        "package onnx": State.error,
        "package PyYAML": State.error,
        "packages": State.ok,
    }
    assert found[1].remedy == "pip install 'onnx>=1.16'"
    assert found[3].found == "1 of 3 are within their ranges: numpy 2.4.6"


def test_dependencies_of_a_checkout_that_is_not_installed(machine: Machine) -> None:
    assert only(packages(machine.here())).state is State.absent


def test_two_opencv_packages(machine: Machine) -> None:
    machine.install("opencv-python", "5.0.0.93")
    machine.install("opencv-python-headless", "5.0.0.93")
    finding = only(opencv(machine.here()))
    assert finding.state is State.error
    assert finding.remedy == "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python"


@pytest.mark.parametrize(
    ("code", "state", "said"),
    [
        ("__version__ = '5.0.0'", State.ok, ""),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", State.error, "apt-get install libgl1"),
        ("raise ImportError('numpy.core.multiarray failed')", State.error, "--force-reinstall opencv-python"),
        ("import os; os.abort()", State.error, "--force-reinstall opencv-python"),
    ],
)
def test_opencv_is_imported_in_a_subprocess(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, code: str, state: State, said: str
) -> None:
    import_from(machine, monkeypatch)
    machine.install("opencv-python", "5.0.0.93")
    machine.module("cv2", code)
    finding = only(opencv(machine.here()))
    assert finding.state is state
    assert said in finding.remedy


def test_video(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    assert only(video(machine.here())).state is State.absent
    machine.install("av", "18.1.0")
    machine.module("av", "")
    finding = only(video(machine.here()))
    assert (finding.state, finding.facts["version"]) == (State.ok, "18.1.0")


def test_a_slow_import_has_another_remedy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    monkeypatch.setattr(probing, "LIMIT", 0.5)
    for name, module in (("opencv-python", "cv2"), ("av", "av")):
        machine.install(name, "5.0.0")
        machine.module(module, "import time; time.sleep(30)")
    for check in (opencv, video):
        assert only(check(machine.here())).remedy == probing.RETRY


def test_broken_pyav(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import_from(machine, monkeypatch)
    machine.install("av", "18.1.0")
    machine.module("av", "raise ImportError('libavcodec.so.61')")
    assert only(video(machine.here())).state is State.error


@pytest.mark.parametrize(("total", "state"), [(64 * 2**20, State.warning), (8 * 2**30, State.ok)])
def test_shared_memory(machine: Machine, monkeypatch: pytest.MonkeyPatch, total: int, state: State) -> None:
    machine.write("/dev/shm/x")
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: Usage(total, 0, total))
    finding = only(shared_memory(machine.here()))
    assert finding.state is state
    assert finding.facts == {"bytes": str(total)}


def test_no_shared_memory(machine: Machine) -> None:
    assert only(shared_memory(machine.here())).state is State.warning


@pytest.mark.parametrize(("free", "state"), [(100 * 2**20, State.error), (2 * 2**30, State.warning), (2**40, State.ok)])
def test_disk(machine: Machine, monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: Usage(2**41, 0, free))
    assert only(disk(asked(machine.root))).state is state


def test_store_that_is_not_writable(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda path, mode: mode != os.W_OK)
    finding = only(disk(asked(machine.root)))
    assert finding.state is State.error
    assert "store=" in finding.remedy
