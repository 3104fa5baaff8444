"""The real CuPy over a stand-in for CUDA, for tests of what calls CuPy on machines without a GPU.

CuPy takes kernels from NVIDIA's driver, which it loads, and all else from the CUDA runtime, which is linked into one of
its modules. That module alone is made anew from CuPy's own source, against ``stand_in.cpp`` in place of the runtime;
everything else is the wheel that users install. NVRTC is the real one. What is not in the stand-in gives
``cudaErrorNotSupported``, so a new call fails until somebody says there what it does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.storage.digest import text_digest
from tests.cuda_plugins import cpu
from tests.support.wheels import (
    CACHE,
    REPO,
    TAG,
    Unobtainable,
    check_platform,
    compiler,
    prepared,
    unpack_source,
    unpack_wheel,
)

HERE = Path(__file__).parent
CUPY = "14.2.0"
CUPY_WHEELS = {
    "cp310": "351e33aa4260dd89359b243cc8ce3ee76c08e4ed4d1bafaaaec2b882f42e59f8",
    "cp311": "f94843e54500a9c8c169135f79572bfaba946efe4f7178e834c227280c1b0c12",
    "cp312": "9aafadbe29db3d4285026044aafeb28f2a3de4bd0df70718ec6892b7d27a4ded",
    "cp313": "5b79a606f6639d9bed74ef7072f36756a95a804c86d7adb367b39307ac771600",
}
"""SHA-256 of the wheel by Python."""
CUPY_SOURCE = "cfed725e612178cfbdbf62f4a3a598b60edecbbca718c0d4580c21a16ae4a62c"
PACKAGES = {
    ("cuda-pathfinder", "1.9.1"): "b743c132f90ad2d1e71d43fd28f31ebcde518f943e50fd44aca62b2a80d5230d",
    ("nvidia-cuda-nvrtc", "13.2.86"): "8111c5130e967b78222ea2124145f8efe9ce201b752b2579a2513100a53be1c5",
    ("nvidia-cuda-runtime", "13.2.86"): "3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0",
    ("nvidia-cuda-crt", "13.2.86"): "e3ab08801bf9b1e6dc979275d25e816bb5000521b648e19c324d5eef0c79f1da",
}
"""What CuPy imports, NVRTC, and NVIDIA's headers, which tell the stand-in its functions."""
TOOLKIT = Path("nvidia", "cu13")
MODULE = Path("cupy_backends", "cuda", "api", "runtime")
SETTINGS = {"CUPY_USE_CUDA_PYTHON": False, "CUPY_CUDA_VERSION": 13020, "CUPY_HIP_VERSION": 0}
"""How CuPy's wheels are made, by the file ``install/cupy_builder/_command.py`` of its source."""
KERNELS = {
    "letterbox": ("letterbox_float", "letterbox_half"),
    "nms": ("nms",),
    "yolo_layer": ("yolo_layer_float", "yolo_layer_half"),
}
"""The kernels that are launched through CuPy, by source."""


@dataclass(frozen=True)
class StandIn:
    """CuPy and its stand-in, for use in a process of its own.

    Attributes:
        folder: Holds the package ``cupy`` and what it needs, and ``lib``.
        kernels: Holds our kernels for the CPU, made anew for each run of the tests.
    """

    folder: Path
    kernels: Path

    def environment(
        self, *, devices: int = 1, memory: int = 4096, pinned: int = 4096, taken: str = ""
    ) -> dict[str, str]:
        """For a process in which ``import cupy`` finds this one.

        Args:
            devices: How many GPUs there are.
            memory: MiB of each.
            pinned: MiB of page-locked memory that are had at once.
            taken: Numbers of GPUs that other processes have for themselves.
        """
        libraries = [self.folder / "lib", self.folder / TOOLKIT / "lib", os.environ.get("LD_LIBRARY_PATH", "")]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(REPO)]),
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, map(str, libraries))),
            "CUPY_CACHE_DIR": str(self.kernels / "cupy"),
            "HOOKLINE_STAND_IN_KERNELS": str(self.kernels),
            "HOOKLINE_STAND_IN_DEVICES": str(devices),
            "HOOKLINE_STAND_IN_MIB": str(memory),
            "HOOKLINE_STAND_IN_PINNED_MIB": str(pinned),
            "HOOKLINE_STAND_IN_TAKEN": taken,
        }

    def pytest(self, *arguments: str, **machine: Any) -> str:
        """Run tests over it; what pytest prints.

        Args:
            arguments: Of pytest.
            machine: As :meth:`environment` takes it.

        Raises:
            AssertionError: One failed; holds all that was printed.
        """
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
        environment = self.environment(**machine)
        done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


def obtain() -> StandIn:
    """CuPy over the stand-in: downloaded once into ``.cache`` of the checkout, kernels made now.

    Raises:
        Unobtainable: No wheels for this machine and Python, no package index, or no compiler.
    """
    check_platform()
    if TAG not in CUPY_WHEELS:
        raise Unobtainable(f"no pinned wheel of CuPy {CUPY} for {TAG}")
    command = compiler("g++")
    parts = [CUPY, TAG, *map(str, PACKAGES), *((HERE / name).read_text() for name in ("stand_in.cpp", "building.py"))]
    folder = CACHE / "stand-in-cuda" / text_digest("\n".join(parts))[:16]
    prepared(folder, lambda place, ready: _prepare(command, place, ready))
    return StandIn(folder, _kernels())


def _prepare(command: str, place: Path, ready: Path) -> None:
    unpack_wheel("cupy-cuda13x", CUPY, CUPY_WHEELS[TAG], place, ready)
    for (package, version), sha256 in PACKAGES.items():
        unpack_wheel(package, version, sha256, place, ready)
    unpack_source("cupy", f"cupy-{CUPY}.tar.gz", CUPY_SOURCE, place, place)
    _build(command, place / f"cupy-{CUPY}", place, ready)


def _build(command: str, source: Path, place: Path, ready: Path) -> None:
    """CuPy's module for the CUDA runtime, and the library that it is linked with."""
    _cythonize(source, place / "runtime.cpp")
    # Only the profiler is not declared in the headers that are at hand.
    (place / "cuda_profiler_api.h").write_text('extern "C" int cudaProfilerStart(); extern "C" int cudaProfilerStop();')
    headers = ready / TOOLKIT / "include"
    folders = [place, source / MODULE.parent, source / "cupy_backends", headers, sysconfig.get_path("include")]
    include = [f"-I{folder}" for folder in folders]
    compile_options = [command, "-std=c++17", "-O1", "-fPIC", "-c"]
    _run(*compile_options, "-w", "-fpermissive", *include, place / "runtime.cpp", "-o", place / "runtime.o")
    _run(*compile_options, "-Wall", f"-I{headers}", HERE / "stand_in.cpp", "-o", place / "stand_in.o")
    absent = _symbols(place / "runtime.o", "--undefined-only") - _symbols(place / "stand_in.o", "--defined-only")
    text = "".join(f'extern "C" int {name}() {{ return 801; }}\n' for name in sorted(absent))
    (place / "absent.cpp").write_text(text)
    _run(*compile_options, place / "absent.cpp", "-o", place / "absent.o")

    (ready / "lib").mkdir()
    driver = ready / "lib" / "libcuda.so.1"
    link = [command, "-shared"]
    _run(*link, f"-Wl,-soname,{driver.name}", place / "stand_in.o", place / "absent.o", "-o", driver)
    module = (ready / MODULE).with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))
    _run(*link, place / "runtime.o", driver, "-o", module)


def _cythonize(source: Path, target: Path) -> None:
    options = [word for item in SETTINGS.items() for word in ("-E", f"{item[0]}={item[1]!r}")]
    language = ["-3", "--cplus", "-X", "embedsignature=True"]
    path = MODULE.with_suffix(".pyx")
    _run(sys.executable, "-m", "cython", *language, *options, "-o", target, path, folder=source)


def _symbols(file: Path, which: str) -> set[str]:
    """Functions of CUDA that an object file needs or has."""
    lines = _run(compiler("nm"), which, file).splitlines()
    return {name for line in lines if (name := line.split()[-1]).startswith(("cuda", "cu"))}


def _kernels() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hookline-kernels-"))
    for source, names in KERNELS.items():
        for name in names:
            shutil.move(cpu.compiled(source, name), folder / f"{name}.so")
    return folder


def _run(*command: object, folder: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} failed: {done.stderr[-2000:]}"
    return done.stdout


def main() -> None:
    """Fetch and build it, for ``make test``; report what is unavailable, whose tests are skipped."""
    try:
        obtain()
    except Unobtainable as error:
        print(f"tests of CuPy over a stand-in for CUDA will be skipped: {error}")


if __name__ == "__main__":
    main()
