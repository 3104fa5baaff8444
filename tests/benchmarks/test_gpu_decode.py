"""What of the GPU benchmark can be checked without a GPU: arguments, refusal, and the decode it compares with."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks.gpu import decode as benchmark
from core.errors import HooklineError
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from cuda_plugins.yolo_layer import yolo_layer
from tests.cuda_plugins import cpu


def asked(*arguments):
    return benchmark.read_arguments(["--imgsz", "128", "--classes", "7", "--kept", "0.3", *arguments])


@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_kernel_twin_and_operators_agree(levels, dtype):
    wanted = asked("--levels", str(levels))
    heads = benchmark.random_heads(2, dtype, wanted, "cpu")
    ours = benchmark.empty_outputs(heads)
    cpu.run(benchmark.launch_into(ours, heads, wanted))
    theirs = benchmark.decode(heads, wanted)
    benchmark.check(ours, theirs)
    twin = yolo_layer(
        [head.float().numpy() for head in heads],
        max_stride=benchmark.max_stride(levels),
        num_classes=7,
        anchors=benchmark.P5 if levels == 3 else benchmark.P6,
        threshold=0.7,
    )
    assert 0 < twin[NUM].min() < twin[SCORES].shape[1]
    for name, values in zip((NUM, BOXES, SCORES, CLASSES), ours, strict=True):
        np.testing.assert_array_equal(values.numpy(), twin[name])


def test_a_difference_is_not_timed():
    heads = benchmark.random_heads(1, torch.float32, asked(), "cpu")
    outputs = benchmark.decode(heads, asked())
    wrong = (outputs[0], outputs[1] + 0.5, *outputs[2:])
    with pytest.raises(HooklineError, match="the boxes of the kernel and of PyTorch differ by up to"):
        benchmark.check(wrong, outputs)


def test_sizes_are_multiples_of_the_largest_stride(capsys):
    with pytest.raises(SystemExit):
        benchmark.read_arguments(["--levels", "4", "--imgsz", "96"])
    assert "--imgsz 96 is not a multiple of 64" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(repo_root):
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.decode"], cwd=repo_root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.strip() == ("PyTorch finds no CUDA GPU; this benchmark needs one, and a CUDA build of PyTorch")
