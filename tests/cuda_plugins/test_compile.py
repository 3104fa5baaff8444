"""Every kernel compiles for every supported GPU: with nvcc to machine code, and with NVRTC, which CuPy uses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core.errors import UnavailableError
from cuda_plugins import nvrtc

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)


def test_every_kernel_compiles_for_every_gpu(tmp_path: Path) -> None:
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc (CUDA toolkit)")
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    paths = [str(nvrtc.FOLDER / f"{name}.cu") for name in nvrtc.names()]
    command = [compiler, "-fatbin", "--threads=2", "-Werror=all-warnings", *nvrtc.OPTIONS, *targets, *paths]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert sorted(path.stem for path in tmp_path.glob("*.fatbin")) == list(nvrtc.names())


@pytest.mark.parametrize("name", nvrtc.names())
def test_every_kernel_compiles_by_nvrtc_without_headers(name: str) -> None:
    try:
        nvrtc.library()
    except UnavailableError as error:
        pytest.skip(str(error))
    text = nvrtc.ptx(nvrtc.source(name), f"{name}.cu", (*nvrtc.OPTIONS, "--gpu-architecture=compute_75"))
    assert b".entry" in text
    assert not text.endswith(b"\0")
    with pytest.raises(RuntimeError, match=r"NVRTC cannot compile wrong.cu:\nwrong.cu\(1\): error"):
        nvrtc.ptx("no C", "wrong.cu", nvrtc.OPTIONS)


@pytest.mark.parametrize("name", nvrtc.names())
def test_a_source_stands_alone(name: str) -> None:
    text = nvrtc.source(name)
    assert "#include" not in text
    assert re.search(r'extern "C" __global__ void', text)


@pytest.mark.parametrize("name", nvrtc.names())
def test_the_module_with_the_name_of_a_source_launches_it(name: str) -> None:
    """The keys of the store cover a source through this module."""
    assert f'"{name}"' in (nvrtc.FOLDER.parent / f"{name}.py").read_text(encoding="utf-8")
