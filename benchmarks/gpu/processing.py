"""Compare ``letterbox.cu`` and ``nms.cu`` on a GPU with PyTorch, torchvision and OpenCV.

``python -m benchmarks.gpu.processing`` makes the network input of 1080p images, and suppresses [B, 25200] decoded
boxes, at batch 1, 8 and 32, and prints two Markdown tables. Results are compared with those of OpenCV before anything
is timed.

The kernels are captured in a CUDA graph of several runs, which is replayed between two CUDA events. The runs cycle
through more batches than the cache of the GPU holds, so that images come from memory, as they do from a camera. The
letterbox is compared with the copy bandwidth of the GPU: the bytes that it must move (source rows that have a weight,
and the whole network input, each once) per time, as a fraction of the bandwidth of a copy of a gibibyte. torchvision's
NMS waits for the device, so it is timed between events without a graph; OpenCV and NumPy run on the CPU and are timed
by wall time. Needs a CUDA build of PyTorch, and CuPy.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backends.cv.letterbox import letterbox as host_letterbox
from backends.cv.letterbox import placement, resized_size
from backends.cv.processor import suppress
from benchmarks.gpu.decode import RUNS, replayed
from core.detections import Candidates as HostCandidates
from core.detections import Filter
from core.errors import HooklineError, UnavailableError
from core.model_facts import InputContract
from cuda_plugins import loading
from cuda_plugins.launches import Launch
from cuda_plugins.letterbox import DeviceImage, LetterboxPlacement, letterbox_launches, sources
from cuda_plugins.nms import DETECTION, CandidateArrays, ImageTransform, Suppression, nms_launches

ROWS = 25200
HOST_ROUNDS = 5
BEYOND_CACHE = 1 << 28
"""Bytes of different images in one graph: more than any cache holds."""
DTYPES = {"float32": torch.float32, "float16": torch.float16}


@dataclass(frozen=True)
class Case:
    """Scores of the boxes: uniform numbers to the power of ``power``; those of at least ``conf`` are candidates."""

    name: str
    conf: float
    iou: float
    power: int


CASES = (
    Case("conf 0.25", 0.25, 0.45, 60),
    Case("conf 0.001", 0.001, 0.6, 60),
    Case("every row", 1e-9, 0.6, 1),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Check and time everything, and print the tables."""
    asked = read_arguments(arguments)
    try:
        tables = [letterbox_table(asked), nms_table(asked)] if has_gpu() else []
    except HooklineError as error:
        sys.exit(str(error))
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
    print(
        f"median of {asked.rounds} replays of {RUNS} runs; python -m benchmarks.gpu.processing {' '.join(sys.argv[1:])}"
    )
    for table in tables:
        print("\n" + "\n".join(table))


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--dtype", choices=DTYPES, nargs="+", default=list(DTYPES))
    parser.add_argument("--size", type=int, nargs=2, default=[1080, 1920], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=50)
    return parser.parse_args(arguments)


def has_gpu() -> bool:
    """Return True.

    Raises:
        UnavailableError: PyTorch or CuPy has no GPU.
    """
    if not torch.cuda.is_available():
        raise UnavailableError("PyTorch finds no CUDA GPU", "this benchmark needs one, and a CUDA build of PyTorch")
    for source, kernel in (("letterbox", "letterbox_float"), ("letterbox", "letterbox_half"), ("nms", "nms")):
        loading.load(source, kernel)
    return True


# --- letterbox --------------------------------------------------------------------------------


def letterbox_table(asked: argparse.Namespace) -> list[str]:
    """Return the lines of the table."""
    bandwidth = copy_bandwidth(asked.rounds)
    head = "| batch | input | kernel, µs | GB/s | of a copy | PyTorch, µs | ratio | OpenCV, µs | ratio |"
    lines = [f"Letterbox; a copy moves {bandwidth / 1e9:.0f} GB/s\n", head, "| ---: | --- |" + " ---: |" * 7]
    for name in asked.dtype:
        for batch in asked.batch:
            ours, torch_took, cv_took = time_letterbox(batch, DTYPES[name], asked)
            rate = moved_bytes(batch, DTYPES[name].itemsize, asked) / ours
            lines.append(
                f"| {batch} | {name} | {1e6 * ours:.1f} | {rate / 1e9:.0f} | {rate / bandwidth:.0%} | "
                f"{1e6 * torch_took:.1f} | {torch_took / ours:.1f} | {1e6 * cv_took:.0f} | {cv_took / ours:.0f} |"
            )
    return lines


def copy_bandwidth(rounds: int) -> float:
    """Return bytes per second, read and written, of a copy within the memory of the GPU."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda").fill_(1)
    target = torch.empty_like(source)
    return 2 * source.numel() / (1e-3 * replayed(lambda: target.copy_(source), rounds))


def moved_bytes(batch: int, itemsize: int, asked: argparse.Namespace) -> int:
    """Return the bytes that a letterbox must move: each source row with a weight, and each value of the input."""
    height, width = asked.size
    first, second, weight, other_weight = sources(place_of(asked).height, height)
    rows = len(np.union1d(first[weight > 0], second[other_weight > 0]))
    return batch * (3 * width * rows + 3 * asked.imgsz**2 * itemsize)


def time_letterbox(batch: int, dtype: torch.dtype, asked: argparse.Namespace) -> tuple[float, float, float]:
    """Return seconds per batch with the kernel, PyTorch and OpenCV."""
    pictures = random_pictures(batch, asked, "cuda")
    images = torch.empty(batch, 3, asked.imgsz, asked.imgsz, dtype=dtype, device="cuda")
    begin(letterbox_into(images, pictures[0], asked))
    on_host = list(pictures[0].cpu().numpy())
    expected, _ = host_letterbox(on_host, contract_of(asked))
    check_equal("the images", images.cpu(), torch.from_numpy(expected).to(dtype))

    launches = cycle([letterbox_into(images, picture, asked) for picture in pictures])
    turns = cycle(pictures)
    ours = replayed(lambda: begin(next(launches)), asked.rounds)
    theirs = replayed(lambda: torch_letterbox(next(turns), dtype, asked), asked.rounds)
    return 1e-3 * ours, 1e-3 * theirs, by_clock(lambda: host_letterbox(on_host, contract_of(asked)))


def random_pictures(batch: int, asked: argparse.Namespace, device: str) -> list[Tensor]:
    """Return batches of uint8 [B, height, width, 3]: more than a cache holds, but at most one per run of a graph."""
    shape = (batch, *asked.size, 3)
    count = min(RUNS, -(-BEYOND_CACHE // int(np.prod(shape))))
    return [torch.randint(0, 256, shape, dtype=torch.uint8, device=device) for _ in range(count)]


def letterbox_into(images: Tensor, pictures: Tensor, asked: argparse.Namespace) -> list[Launch]:
    """Return the launches of the kernel."""
    _, height, width, _ = pictures.shape
    return letterbox_launches(
        [DeviceImage(picture.data_ptr(), height, width, 3 * width) for picture in pictures],
        [place_of(asked)] * len(pictures),
        images.data_ptr(),
        height=asked.imgsz,
        width=asked.imgsz,
        half=images.dtype == torch.float16,
    )


def torch_letterbox(pictures: Tensor, dtype: torch.dtype, asked: argparse.Namespace) -> Tensor:
    """Compute the same with PyTorch, whose weights are not rounded to 11 bits."""
    place = place_of(asked)
    planes = pictures.permute(0, 3, 1, 2).flip(1).to(dtype)
    resized = functional.interpolate(planes, (place.height, place.width), mode="bilinear", align_corners=False)
    right, bottom = asked.imgsz - place.left - place.width, asked.imgsz - place.top - place.height
    return functional.pad(resized, (place.left, right, place.top, bottom), value=114.0).div_(255)


def contract_of(asked: argparse.Namespace) -> InputContract:
    """Return the contract of the network input."""
    return InputContract(1, asked.imgsz, asked.imgsz)


def place_of(asked: argparse.Namespace) -> LetterboxPlacement:
    """Return the position of an image in the network input."""
    letterbox = placement(*asked.size, contract_of(asked), upscale=True)
    return LetterboxPlacement(*resized_size(letterbox), letterbox.top, letterbox.left)


# --- NMS --------------------------------------------------------------------------------------


def nms_table(asked: argparse.Namespace) -> list[str]:
    """Return the lines of the table."""
    vision = torchvision_ops()
    head = "| batch | scores | candidates | kernel, µs | torchvision, µs | ratio | NumPy, µs | ratio |"
    lines = [f"NMS of [B, {ROWS}] boxes, at most 300 kept\n", head, "| ---: | --- |" + " ---: |" * 6]
    for case in CASES:
        for batch in asked.batch:
            boxes = random_boxes(batch, case, "cuda")
            ours, theirs, host = time_nms(boxes, case, vision, asked)
            candidates = int((boxes[1] >= case.conf).sum()) // batch
            peer = f"{1e6 * theirs:.0f} | {theirs / ours:.1f}" if theirs else "not installed | "
            lines.append(
                f"| {batch} | {case.name} | {candidates} | {1e6 * ours:.1f} | {peer} | "
                f"{1e6 * host:.0f} | {host / ours:.0f} |"
            )
    return lines


def torchvision_ops() -> Any | None:
    """Return ``torchvision.ops`` if it is installed."""
    try:
        return importlib.import_module("torchvision.ops")
    except ImportError:
        return None


def time_nms(
    boxes: Sequence[Tensor], case: Case, vision: Any | None, asked: argparse.Namespace
) -> tuple[float, float | None, float]:
    """Return seconds per batch with the kernel, torchvision and NumPy."""
    counts, found = empty_result(boxes)
    launches = nms_into(counts, found, boxes, case)
    begin(launches)
    on_host = [HostCandidates(*(values.cpu().numpy() for values in one)) for one in zip(*boxes, strict=True)]
    check_nms(counts, found, on_host, case)
    ours = 1e-3 * replayed(lambda: begin(launches), asked.rounds)
    theirs = by_events(lambda: torchvision_nms(boxes, case, vision), asked.rounds) if vision else None
    return ours, theirs, by_clock(lambda: [host_nms(one, case) for one in on_host])


def random_boxes(batch: int, case: Case, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes, scores and classes like those of a decode step: the boxes of an image cluster around 40 objects."""
    generator = torch.Generator(device).manual_seed(0)
    things = torch.rand(batch, 40, 4, generator=generator, device=device)
    chosen = torch.randint(0, 40, (batch, ROWS), generator=generator, device=device)
    near = things.gather(1, chosen[..., None].expand(-1, -1, 4))
    near = near + 0.03 * torch.randn(near.shape, generator=generator, device=device)
    centre, half = 640 * near[..., :2], 8 + 60 * near[..., 2:].abs()
    scores = torch.rand(batch, ROWS, generator=generator, device=device) ** case.power
    return torch.cat([centre - half, centre + half], 2), scores, (chosen % 20).int()


def empty_result(boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return uninitialised counts and boxes."""
    batch, device = len(boxes[1]), boxes[1].device
    shape = (batch, 300, DETECTION.itemsize)
    return torch.empty(batch, dtype=torch.int32, device=device), torch.empty(shape, dtype=torch.uint8, device=device)


def nms_into(counts: Tensor, found: Tensor, boxes: Sequence[Tensor], case: Case) -> list[Launch]:
    """Return the launches of the kernel; boxes stay in network pixels."""
    origins = [ImageTransform(1, 0, 0, 1e6, 1e6)] * len(counts)
    candidates = CandidateArrays(*(values.data_ptr() for values in boxes), rows=boxes[1].shape[1])
    wanted = Suppression(case.conf, case.iou)
    return nms_launches(candidates, origins, counts.data_ptr(), found.data_ptr(), wanted)


def torchvision_nms(boxes: Sequence[Tensor], case: Case, vision: Any) -> list[Tensor]:
    """Apply NMS as PyTorch programs do: image by image, on selected candidates."""
    kept = []
    for box, score, label in zip(*boxes, strict=True):
        row = torch.nonzero(score >= case.conf).squeeze(1)
        kept.append(row[vision.batched_nms(box[row], score[row], label[row], case.iou)[:300]])
    return kept


def host_nms(one: HostCandidates, case: Case) -> HostCandidates:
    """Apply NMS as the processor ``opencv``."""
    return suppress(one.pick(one.scores >= case.conf), Filter(case.conf, case.iou))


def check_nms(counts: Tensor, found: Tensor, on_host: Sequence[HostCandidates], case: Case) -> None:
    """Check that the results are those of the processor ``opencv``."""
    rows = found.cpu().numpy().view(DETECTION)[..., 0]
    for count, row, one in zip(counts.tolist(), rows, on_host, strict=True):
        expected = host_nms(one, case)
        check_equal("the number of boxes", torch.tensor(count), torch.tensor(len(expected.scores)))
        check_equal("the scores", torch.from_numpy(row["score"][:count].copy()), torch.from_numpy(expected.scores))


# --- both -------------------------------------------------------------------------------------


def begin(launches: Sequence[Launch]) -> None:
    """Launch on the stream of PyTorch."""
    for launch in launches:
        loading.launch(launch, torch.cuda.current_stream().cuda_stream)


def check_equal(what: str, ours: Tensor, expected: Tensor) -> None:
    """Check that the results are equal."""
    if ours.shape != expected.shape or not torch.equal(ours, expected):
        raise HooklineError(f"{what} of the kernel and of the processor opencv differ", "one of them is wrong")


def by_events(work: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of one run between two events."""
    times = []
    for number in range(rounds + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        if number >= 3:
            times.append(1e-3 * start.elapsed_time(end))
    return median(times)


def by_clock(work: Callable[[], object]) -> float:
    """Return the median seconds of one run on the CPU."""
    times = []
    for _ in range(HOST_ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


if __name__ == "__main__":
    main()
