"""Every kernel compiles for every GPU we name: by nvcc to machine code, and by NVRTC, which CuPy uses."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cuda_plugins import sources

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)


def test_every_kernel_compiles_for_every_gpu(tmp_path: Path) -> None:
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc (CUDA toolkit)")
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    paths = [str(sources.FOLDER / f"{name}.cu") for name in sources.names()]
    command = [compiler, "-fatbin", "--threads=2", "-Werror=all-warnings", *sources.OPTIONS, *targets, *paths]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert sorted(path.stem for path in tmp_path.glob("*.fatbin")) == list(sources.names())


def nvrtc() -> ctypes.CDLL:
    """The library: of the system, or of the package ``nvidia-cuda-nvrtc``."""
    names = [ctypes.util.find_library("nvrtc")]
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations or [] if package else []:
        names += map(str, sorted(Path(folder).glob("**/libnvrtc.so.*")))
    for name in filter(None, names):
        return ctypes.CDLL(name)
    pytest.skip("no NVRTC (libnvrtc, or the package nvidia-cuda-nvrtc)")


@pytest.mark.parametrize("name", sources.names())
def test_every_kernel_compiles_by_nvrtc_without_headers(name: str) -> None:
    library, program = nvrtc(), ctypes.c_void_p()
    text = sources.source(name).encode()
    assert library.nvrtcCreateProgram(ctypes.byref(program), text, f"{name}.cu".encode(), 0, None, None) == 0
    options = [option.encode() for option in (*sources.OPTIONS, "-arch=sm_80")]
    failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert not failed, log.value.decode()


@pytest.mark.parametrize("name", sources.names())
def test_a_source_stands_alone(name: str) -> None:
    text = sources.source(name)
    assert "#include" not in text
    assert re.search(r'extern "C" __global__ void', text)
