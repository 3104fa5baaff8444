"""The network as a session of PyTorch, and the facts of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.yolov5 import checkpoint as own
from backends.yolov5.devices import TorchDevice
from backends.yolov5.errors import YOLOv5Error
from backends.yolov5.facts import ANCHORS, FAMILY
from backends.yolov5.model import Classic, Heads
from core.errors import HooklineError
from core.model_facts import InputContract, ModelFacts

CPU_PIXELS = 1 << 20
"""Maximum number of input pixels that a CPU infers at once. With more, features do not fit into the caches, and every
layer requests memory from the system: yolov5n took 36 ms per image of 640x640 in batches of 8, 26 ms one by one (on two
cores)."""


class TorchSession:
    """A :class:`core.kinds.session.ReportingSession` for any batch and any size that is a multiple of the stride.

    On a CPU the network runs in NHWC memory order (yolov5n: 17 ms per image of 640x640 instead of 26); outputs have the
    shape NCHW in NHWC memory. A large batch is inferred in pieces.
    """

    score_threshold = 0.0

    def __init__(
        self,
        model: Heads | Classic,
        facts: ModelFacts,
        contract: InputContract,
        layout: str,
        device: TorchDevice,
    ) -> None:
        self.facts = facts
        self.contract = contract
        self.layout = layout
        self.place, self.doubt = device.description, device.warning
        self._device = device.device
        self._model: Heads | Classic | None = model.to(self._device)
        if self._device.type == "cpu":
            self._model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._outputs: tuple[Tensor, ...] = ()

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]:
        """Infer one batch."""
        if self._model is None:
            raise ValueError("the session is closed")
        batch = torch.from_numpy(images)
        size = len(images) if self._device.type != "cpu" else max(1, CPU_PIXELS // batch[0, 0].numel())
        with torch.inference_mode():
            if size >= len(images):
                tensors = self._infer(self._model, batch)
            else:
                tensors = self._in_pieces(self._model, batch, size)
        return {name: tensor.cpu().numpy() for name, tensor in zip(self._model.output_names, tensors, strict=True)}

    def _infer(self, model: Heads | Classic, images: Tensor) -> tuple[Tensor, ...]:
        outputs = model(images.to(self._device))
        return (outputs,) if isinstance(outputs, Tensor) else outputs

    def _in_pieces(self, model: Heads | Classic, images: Tensor, size: int) -> tuple[Tensor, ...]:
        """Infer in pieces, into outputs that are reused for the next batch: new memory costs more than the copy."""
        for start in range(0, len(images), size):
            piece = self._infer(model, images[start : start + size])
            wanted = [(len(images), *tensor.shape[1:]) for tensor in piece]
            if [tuple(tensor.shape) for tensor in self._outputs] != wanted:
                self._outputs = tuple(_like(tensor, len(images)) for tensor in piece)
            for whole, part in zip(self._outputs, piece, strict=True):
                whole[start : start + size] = part
        return self._outputs

    def __enter__(self) -> TorchSession:
        return self

    def __exit__(self, *error: object) -> None:
        self._model = None
        self._outputs = ()


def _like(tensor: Tensor, batch: int) -> Tensor:
    """Return an empty tensor for ``batch`` images in the same memory format."""
    nhwc = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if nhwc else torch.contiguous_format
    return torch.empty((batch, *tensor.shape[1:]), dtype=tensor.dtype, memory_format=order)


def facts_of(weights: own.Weights) -> ModelFacts:
    """Return the model facts of these weights."""
    return ModelFacts(
        family=FAMILY,
        variant=weights.variant,
        names=weights.names,
        strides=weights.config.strides,
        head={ANCHORS: [list(level) for level in weights.config.anchors]},
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of the YOLOv5 library to :class:`HooklineError`."""
    try:
        yield
    except YOLOv5Error as error:
        raise HooklineError(error.message, error.hint) from error
