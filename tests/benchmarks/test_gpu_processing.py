"""What of the benchmark of pre- and post-processing can be checked without a GPU: it compares equals, and refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from backends.cv.letterbox import letterbox
from benchmarks.gpu import processing as benchmark
from core.detections import Candidates
from core.errors import HooklineError
from tests.cuda_plugins import cpu


def asked(*arguments):
    return benchmark.read_arguments(["--size", "90", "160", "--imgsz", "64", *arguments])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_kernel_opencv_and_operators_make_the_same_images(dtype):
    pictures = benchmark.random_pictures(2, asked(), "cpu")[0]
    images = torch.empty(2, 3, 64, 64, dtype=dtype)
    for launch in benchmark.letterbox_into(images, pictures, asked()):
        cpu.run(launch)
    expected, _ = letterbox(list(pictures.numpy()), benchmark.contract_of(asked()))
    benchmark.check_equal("the images", images, torch.from_numpy(expected).to(dtype))
    operators = benchmark.torch_letterbox(pictures, dtype, asked())
    # PyTorch does not round to whole values, OpenCV does and its weights have 11 bits; so have halves.
    assert (operators.float() - images.float()).abs().max() <= 1.01 / 255 + (0.001 if dtype is torch.float16 else 0)


def test_bytes_are_those_of_the_rows_in_use_and_of_the_input():
    """Of 1080 rows each third has the whole weight; of 720 rows, scaled to a half, each has half of it."""
    full = benchmark.read_arguments([])
    assert benchmark.moved_bytes(1, 4, full) == 3 * 1920 * 360 + 3 * 640 * 640 * 4
    assert benchmark.moved_bytes(8, 2, full) == 8 * (3 * 1920 * 360 + 3 * 640 * 640 * 2)
    half = benchmark.read_arguments(["--size", "720", "1280"])
    assert benchmark.moved_bytes(1, 4, half) == 3 * 1280 * 720 + 3 * 640 * 640 * 4


@pytest.mark.parametrize("case", benchmark.CASES, ids=lambda case: case.name)
def test_kernel_and_numpy_keep_the_same_boxes(case, monkeypatch):
    monkeypatch.setattr(benchmark, "ROWS", 2000)
    boxes = benchmark.random_boxes(2, case, "cpu")
    assert all(values.is_contiguous() for values in boxes)
    counts, found = benchmark.empty_result(boxes)
    for launch in benchmark.nms_into(counts, found, boxes, case):
        cpu.run(replace(launch, block=(256, 1, 1)))
    on_host = [Candidates(*(values.numpy() for values in one)) for one in zip(*boxes, strict=True)]
    benchmark.check_nms(counts, found, on_host, case)
    assert (counts > 5).all()
    counts[1] -= 1
    with pytest.raises(HooklineError, match="the number of boxes of the kernel and of the processor opencv differ"):
        benchmark.check_nms(counts, found, on_host, case)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(repo_root):
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.processing"], cwd=repo_root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.strip() == "PyTorch finds no CUDA GPU; this benchmark needs one, and a CUDA build of PyTorch"
