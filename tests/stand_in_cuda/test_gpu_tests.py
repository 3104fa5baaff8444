"""The tests that need a GPU, through the real CuPy, where a stand-in is in place of CUDA."""

from __future__ import annotations

import re

import pytest

from tests.stand_in_cuda.building import StandIn

ENGINES = "tests/cuda_plugins/test_engine.py"
"""They need TensorRT, or compile PTX for the GPU."""


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "least"), [("tests/cuda_plugins", 250), ("tests/backends/gpu", 40)])
def test_kernels_and_processor_by_the_real_cupy(stand_in: StandIn, folder: str, least: int) -> None:
    output = stand_in.pytest("-m", "gpu", folder, f"--ignore={ENGINES}", "-rs")
    passed = re.search(r"(\d+) passed", output)
    assert passed, output
    assert int(passed.group(1)) >= least, output


def test_nvrtc_compiles_what_is_compiled_ahead_of_time(stand_in: StandIn) -> None:
    output = stand_in.pytest("tests/cuda_plugins/test_compile.py", "-k", "nvrtc", "-rs")
    assert re.search(r"^3 passed", output, re.MULTILINE), output
