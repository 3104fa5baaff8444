"""Compare ``yolo_layer.cu`` on a GPU with the same decode in PyTorch.

``python -m benchmarks.gpu.decode`` decodes random heads of a network of 640 pixels and 80 classes ([B, 25200, 85]
values) at batch 1, 8 and 32, float32 and float16, and prints a Markdown table. Both write the same outputs, which is
checked first. Each is captured in a CUDA graph of several runs, which is replayed between two CUDA events, so the times
do not include launches by Python. Needs a CUDA build of PyTorch, and CuPy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from core.errors import HooklineError, UnavailableError
from cuda_plugins import loading
from cuda_plugins.launches import Launch
from cuda_plugins.yolo_layer import Decoded, LevelInput, yolo_layer_launch

P5 = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
P6 = (19, 27, 44, 40, 38, 94, 96, 68, 86, 152, 180, 137, 140, 301, 303, 264, 238, 542, 436, 615, 739, 380, 925, 792)
RUNS = 20
"""Runs in one CUDA graph."""
DTYPES = {"float32": torch.float32, "float16": torch.float16}

Outputs = tuple[Tensor, Tensor, Tensor, Tensor]


def main(arguments: Sequence[str] | None = None) -> None:
    """Check and time both, and print the table."""
    asked = read_arguments(arguments)
    try:
        table = measure_all(asked)
    except HooklineError as error:
        sys.exit(str(error))
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
    print(f"{asked.imgsz} pixels, {asked.classes} classes, {asked.levels} levels, {asked.kept:.2%} of the cells kept")
    print(
        f"median of {asked.rounds} replays of {RUNS} runs; python -m benchmarks.gpu.decode {' '.join(sys.argv[1:])}\n"
    )
    print("\n".join(table))


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--dtype", choices=DTYPES, nargs="+", default=list(DTYPES))
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--levels", type=int, choices=(3, 4), default=3, help="4: a P6 model")
    parser.add_argument("--kept", type=float, default=0.01, help="fraction of the cells that reach the threshold")
    parser.add_argument("--rounds", type=int, default=50)
    asked = parser.parse_args(arguments)
    if asked.imgsz % max_stride(asked.levels):
        parser.error(f"--imgsz {asked.imgsz} is not a multiple of {max_stride(asked.levels)}")
    return asked


def max_stride(levels: int) -> int:
    """Return the stride of the last level: 32, or 64 for P6 models."""
    return 4 << levels


def measure_all(asked: argparse.Namespace) -> list[str]:
    """Return the lines of the table.

    Raises:
        UnavailableError: PyTorch or CuPy has no GPU.
        HooklineError: Both decodes differ.
    """
    if not torch.cuda.is_available():
        raise UnavailableError("PyTorch finds no CUDA GPU", "this benchmark needs one, and a CUDA build of PyTorch")
    for kernel in ("yolo_layer_float", "yolo_layer_half"):
        loading.load("yolo_layer", kernel)
    lines = ["| batch | heads | kernel, µs | PyTorch, µs | ratio |", "| ---: | --- | ---: | ---: | ---: |"]
    for name in asked.dtype:
        for batch in asked.batch:
            heads = random_heads(batch, DTYPES[name], asked, "cuda")
            ours, theirs = (1e3 * took for took in measure(heads, asked))
            lines.append(f"| {batch} | {name} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.1f} |")
    return lines


def measure(heads: Sequence[Tensor], asked: argparse.Namespace) -> tuple[float, float]:
    """Return milliseconds of one decode step with the kernel and with PyTorch."""
    outputs = empty_outputs(heads)
    launch = launch_into(outputs, heads, asked)

    def kernel() -> None:
        loading.launch(launch, torch.cuda.current_stream().cuda_stream)

    def operators() -> Outputs:
        return decode(heads, asked)

    kernel()
    check(outputs, operators())
    return replayed(kernel, asked.rounds), replayed(operators, asked.rounds)


def random_heads(batch: int, dtype: torch.dtype, asked: argparse.Namespace, device: str) -> list[Tensor]:
    """Return uniform random values, so that the threshold ``1 - kept`` keeps this share."""
    generator = torch.Generator(device).manual_seed(0)
    strides = [8 << level for level in range(asked.levels)]
    shapes = [(batch, 3 * (5 + asked.classes), asked.imgsz // stride, asked.imgsz // stride) for stride in strides]
    return [torch.rand(shape, generator=generator, device=device).to(dtype) for shape in shapes]


def empty_outputs(heads: Sequence[Tensor]) -> Outputs:
    """Return uninitialised counts, boxes, scores and classes."""
    batch, rows = len(heads[0]), 3 * sum(head[0, 0].numel() for head in heads)

    def empty(*shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=heads[0].device)

    return (
        empty(batch, 1, dtype=torch.int32),
        empty(batch, rows, 4, dtype=torch.float32),
        empty(batch, rows, dtype=torch.float32),
        empty(batch, rows, dtype=torch.int32),
    )


def launch_into(outputs: Outputs, heads: Sequence[Tensor], asked: argparse.Namespace) -> Launch:
    """Return the launch of the kernel."""
    return yolo_layer_launch(
        [LevelInput(head.data_ptr(), *head.shape[2:]) for head in heads],
        Decoded(*(output.data_ptr() for output in outputs)),
        batch=len(heads[0]),
        max_stride=max_stride(asked.levels),
        num_classes=asked.classes,
        anchors=P5 if asked.levels == 3 else P6,
        threshold=1 - asked.kept,
        half=heads[0].dtype == torch.float16,
    )


def decode(heads: Sequence[Tensor], asked: argparse.Namespace) -> Outputs:
    """Compute the same outputs in the same order with PyTorch, without synchronising."""
    anchors = torch.tensor(P5 if asked.levels == 3 else P6, dtype=torch.float32).reshape(len(heads), 3, 2)
    parts = [decode_level(head, pairs.tolist(), asked) for head, pairs in zip(heads, anchors, strict=True)]
    objectness, boxes, scores, classes = (torch.cat(part, 1) for part in zip(*parts, strict=True))
    keeps = objectness >= 1 - asked.kept
    rows = keeps.shape[1]
    index = torch.where(keeps, keeps.cumsum(1) - 1, rows)  # dropped rows go to an extra row that is cut off
    return (
        keeps.sum(1, keepdim=True, dtype=torch.int32),
        boxes.new_zeros(len(boxes), rows + 1, 4).scatter_(1, index[..., None].expand(-1, -1, 4), boxes)[:, :rows],
        scores.new_zeros(len(boxes), rows + 1).scatter_(1, index, scores)[:, :rows],
        classes.new_zeros(len(boxes), rows + 1).scatter_(1, index, classes)[:, :rows],
    )


def decode_level(head: Tensor, pairs: Sequence[Sequence[float]], asked: argparse.Namespace) -> Outputs:
    """Return objectness, boxes, scores and classes of every cell of a level."""
    batch, _, height, width = head.shape
    planes = head.view(batch, 3, 5 + asked.classes, height, width)
    x, y, w, h, objectness = planes[:, :, :5].float().unbind(2)
    best, classes = planes[:, :, 5:].max(2)
    stride = asked.imgsz / height
    centre_x = (x * 2 - 0.5 + torch.arange(width, device=head.device)) * stride
    centre_y = (y * 2 - 0.5 + torch.arange(height, device=head.device)[:, None]) * stride
    half_w = torch.stack([(2 * w[:, a]) ** 2 * (pairs[a][0] / 2) for a in range(3)], 1)
    half_h = torch.stack([(2 * h[:, a]) ** 2 * (pairs[a][1] / 2) for a in range(3)], 1)
    boxes = torch.stack([centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h], -1)
    scores = objectness * best.float()
    return objectness.flatten(1), boxes.flatten(1, 3), scores.flatten(1), classes.int().flatten(1)


def check(ours: Outputs, theirs: Outputs) -> None:
    """Check that the outputs are equal. Classes are not compared: PyTorch does not define the order of equal scores."""
    for name, one, other in zip(("counts", "boxes", "scores"), ours, theirs, strict=False):
        if not torch.allclose(one.float(), other.float(), rtol=1e-4, atol=1e-3):
            worst = (one.float() - other.float()).abs().max().item()
            raise HooklineError(f"the {name} of the kernel and of PyTorch differ by up to {worst}", "one is wrong")


def replayed(work: Callable[[], object], rounds: int) -> float:
    """Return milliseconds of one run: the median over replays of a graph of several runs."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(RUNS):
            work()
    times = []
    for number in range(rounds + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        if number >= 3:
            times.append(start.elapsed_time(end) / RUNS)
    return median(times)


if __name__ == "__main__":
    main()
