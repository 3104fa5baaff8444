"""The kernel of the ahead-of-time form, on the CPU and with every compiler; over_bindings.py has the rest."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from core.errors import UnavailableError
from cuda_plugins import nvrtc, yolo_layer_aot
from cuda_plugins.signature import OUTPUTS
from cuda_plugins.yolo_layer import yolo_layer
from cuda_plugins.yolo_layer_settings import Settings
from tests.cuda_plugins import cpu
from tests.cuda_plugins.test_compile import ARCHITECTURES

ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326, 436, 615, 739, 380, 925, 792)


def settings_for(levels):
    return Settings(16, 4, ANCHORS[: 6 * levels], 0.375)


def decode(heads, settings, grid, threads, *, last_warp_first=False):
    """Launch the entry with TensorRT's arguments: inputs, heights and widths, outputs."""
    levels, half = len(heads), heads[0].dtype == np.float16
    compiled = cpu.library("yolo_layer", "yolo_layer_aot", yolo_layer_aot.defines(settings, levels, half))
    memory, outputs = cpu.decode_memory(heads)
    arguments = [np.array([array.ctypes.data], np.uintp) for array in memory]
    arguments += [np.array([size], np.int32) for head in heads for size in head.shape[2:]]
    arguments += [np.array([array.ctypes.data], np.uintp) for array in outputs]
    compiled.shim_backwards(int(last_warp_first))
    cpu.run_with(compiled, grid, threads, arguments)
    return dict(zip(OUTPUTS, outputs, strict=True))


@pytest.mark.parametrize("last_warp_first", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("levels", [1, 3, 4])
@pytest.mark.parametrize("parts", [1, 5])
def test_kernel_equals_the_twin(dtype, levels, parts, last_warp_first):
    rng = np.random.default_rng(2)
    sizes = [(17, 9), (8, 5), (4, 3), (2, 2)][-levels:]
    heads = [rng.random((2, 27, *size), dtype=np.float32).astype(dtype) for size in sizes]
    settings = settings_for(levels)
    found = decode(heads, settings, (parts, 2, 1), (64, 1, 1), last_warp_first=last_warp_first)
    expected = yolo_layer(
        [head.astype(np.float32) for head in heads],
        max_stride=16,
        num_classes=4,
        anchors=settings.anchors,
        threshold=0.375,
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_kernel_compiles_for_the_oldest_and_the_newest_gpu(tmp_path):
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc (CUDA toolkit)")
    for levels, half in ((1, False), (3, False), (4, True)):
        text = yolo_layer_aot.defines(settings_for(levels), levels, half) + nvrtc.source("yolo_layer")
        (tmp_path / f"{levels}.cu").write_text(text, encoding="utf-8")
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in (ARCHITECTURES[0], ARCHITECTURES[-1])]
    command = [compiler, "-fatbin", "-Werror=all-warnings", *nvrtc.OPTIONS, *targets, "1.cu", "3.cu", "4.cu"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_ptx_holds_the_entry():
    ptx = compiled(settings_for(3), 3, False)
    assert b".target sm_75" in ptx
    assert b".entry yolo_layer_aot(" in ptx
    parameters = ptx.split(b".entry yolo_layer_aot(", 1)[1].split(b")", 1)[0]
    kinds = [line.split()[1] for line in parameters.strip().splitlines()]
    assert kinds == [b".u64"] * 3 + [b".u32"] * 6 + [b".u64"] * 4


def test_other_attributes_are_another_kernel():
    one, other = compiled(settings_for(3), 3, False), compiled(settings_for(3), 3, True)
    assert one != other
    assert compiled(Settings(16, 4, ANCHORS[:18], 0.5), 3, False) != one


def compiled(*arguments):
    try:
        return yolo_layer_aot.compiled(*arguments)
    except UnavailableError as error:
        pytest.skip(str(error))
