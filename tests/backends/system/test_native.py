"""What is broken is asked in another process, which may crash or hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.system import libraries, native
from backends.system.host import Host
from backends.system.libraries import find_libraries, version_of
from backends.system.native import Answer, ask, ask_python
from tests.support.machine_tools import Machine, library


def test_numbers_through_pointers_and_as_the_result(tmp_path: Path) -> None:
    path = library(
        tmp_path / "lib.so", "int two(int *a, int *b) { *a = 3; *b = 4; return 0; } int one(void) { return 7; }"
    )
    assert ask(path, function="two", arguments=2) == Answer((3, 4))
    assert ask(path, function="one") == Answer((7,))
    assert ask(path) == Answer()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("int f(int *a) { *(volatile int *)0 = 1; return 0; }", "SIGSEGV"),
        ("#include <stdlib.h>\nint f(int *a) { abort(); }", "SIGABRT"),
        ("int g(void) { return 0; }", "undefined symbol: f"),
        ("#include <unistd.h>\nint f(int *a) { sleep(60); return 0; }", "it hangs"),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, error: str) -> None:
    monkeypatch.setattr(native, "LIMIT", 1.0)
    assert error in ask(library(tmp_path / "lib.so", source), function="f", arguments=1).error


def test_a_library_that_is_not_there() -> None:
    assert "cannot open shared object file" in ask("libnowhere.so.1").error


def test_python_in_another_process() -> None:
    assert ask_python("import json; print('noise'); print(json.dumps([1, 2]))") == ([1, 2], "")
    assert ask_python("raise ValueError('no')") == (None, "ValueError: no")


def test_libraries_in_the_order_in_which_they_are_taken(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    usual = machine.write("/usr/lib64/libx.so.1")
    packaged = machine.site / "nvidia/x/lib/libx.so.2"
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    given = machine.write("/opt/x/libx.so.3.1")
    given.with_name("libx.so").symlink_to(given)
    machine.environment["LD_LIBRARY_PATH"] = f":{given.parent}"
    assert find_libraries("libx.so*", machine.here()) == [packaged, given, usual]
    assert [version_of(path) for path in (given, usual, Path("libx.so"))] == [(3, 1), (1,), ()]


def test_conda_and_the_toolkits_that_the_environment_names(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    conda, cuda, home = (machine.write(f"/{name}/libx.so.1") for name in ("conda/lib", "cuda/lib64", "home/lib64"))
    system = machine.write("/usr/lib64/libx.so.1")
    for name, path in (("CONDA_PREFIX", conda), ("CUDA_PATH", cuda), ("CUDA_HOME", home)):
        machine.environment[name] = str(path.parent.parent)
    assert find_libraries("libx.so*", machine.here()) == [conda, system, cuda, home]


def test_the_folder_of_forward_compatibility_counts_where_the_loader_is_told_of_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    path = machine.write("/usr/local/cuda/compat/libcuda.so.1")
    assert find_libraries("libcuda.so*", machine.here()) == []
    machine.environment["LD_LIBRARY_PATH"] = str(path.parent)
    assert find_libraries("libcuda.so*", machine.here()) == [path]


def test_the_driver_of_nixos(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    path = machine.write("/run/opengl-driver/lib/libcuda.so.1")
    assert find_libraries("libcuda.so*", machine.here()) == [path]


@pytest.mark.parametrize("flag", ["x86-64", "AArch64"])
def test_the_cache_of_the_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    """32-bit libraries are left out, and each library has its own order."""
    monkeypatch.setattr(libraries.platform, "machine", lambda: {"x86-64": "x86_64"}.get(flag, "aarch64"))
    machine = Machine(tmp_path)
    small, compat, usual = (machine.write(f"/{folder}/libcuda.so.1") for folder in ("lib32", "compat", "lib64"))
    other = machine.write("/lib64/libz.so.1")
    lines = [f"libz.so.1 (libc6,{flag}) => {other}", f"libcuda.so.1 (libc6) => {small}"]
    lines += [f"libcuda.so.1 (libc6,{flag}, OS ABI: Linux 4.4.0) => {path}" for path in (compat, usual)]
    script = "\n".join(f"echo '    {line}'" for line in lines)
    machine.write("/sbin/ldconfig", f"#!/bin/sh\n{script}\n").chmod(0o755)
    assert find_libraries("libcuda.so*", machine.here()) == [compat, usual]


def test_packages_by_the_names_of_their_metadata(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.install("Opencv.Python", "5.0")
    (machine.site / "tensorrt-10.3.0.egg-info").touch()
    packages = machine.here().packages
    assert {name: package.version for name, package in packages.items()} == {
        "opencv-python": "5.0",
        "tensorrt": "10.3.0",
    }
    assert Host().packages["numpy"].version


def test_short_paths(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.here().brief(machine.site / "cv2" / "x.py") == "site-packages/cv2/x.py"
    assert machine.here().brief("/usr/lib/x.so") == "/usr/lib/x.so"
