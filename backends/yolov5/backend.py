"""The implementation of the family: reading, export, training and sessions of YOLOv5 in PyTorch."""

from __future__ import annotations

from pathlib import Path

from backends.yolov5 import checkpoint as own_format
from backends.yolov5 import convert_checkpoint as official_format
from backends.yolov5.devices import choose_device
from backends.yolov5.facts import FAMILY, HEADS, LAYOUTS
from backends.yolov5.model import Classic, Heads
from backends.yolov5.onnx_export import export
from backends.yolov5.session import TorchSession, facts_of, translated_errors
from core.artifacts import Checkpoint
from core.errors import HooklineError
from core.kinds.session import Session
from core.kinds.training import Trained, TrainingJob
from core.model_facts import InputContract
from core.storage.serial import DecodeError
from core.storage.validation import validate


class YOLOv5Backend:
    """Implements :class:`core.kinds.model.ModelBackend`."""

    def read(self, path: Path, target: Path) -> Checkpoint:
        """Read an official ``.pt`` or hookline's ``.safetensors``, and write ``target`` in hookline's format."""
        with translated_errors():
            weights = own_format.load(path) if path.suffix == ".safetensors" else official_format.read(path)
            weights.network()
        checkpoint = Checkpoint(path=target, facts=facts_of(weights))
        try:
            validate(checkpoint)
        except DecodeError as error:
            raise HooklineError(f"'{path}' is not a usable detector ({error})", "train or export it again") from error
        own_format.save(weights, target)
        return checkpoint

    def export(self, checkpoint: Checkpoint, target: Path, *, contract: InputContract, layout: str, opset: int) -> None:
        """Write the fused float32 network as ONNX to ``target``, without metadata."""
        size = (contract.batch, contract.height, contract.width)
        model = _opened(checkpoint, layout)
        export(model, target, size=size, dynamic=contract.dynamic, opset=opset, input_name=contract.name)

    def train(self, job: TrainingJob) -> Trained:
        """Train in this process, or together with the processes that torchrun started."""
        from backends.yolov5.training_job import train

        return train(job)

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Session:
        """Return a session of the fused network in PyTorch."""
        model = _opened(checkpoint, layout)
        return TorchSession(model, checkpoint.facts, contract, layout, choose_device(device))


def _opened(checkpoint: Checkpoint, layout: str) -> Heads | Classic:
    if layout not in LAYOUTS:
        raise HooklineError(f"the model family '{FAMILY}' has no layout '{layout}'", f"possible: {', '.join(LAYOUTS)}")
    with translated_errors():
        network = own_format.load(checkpoint.path).network().fuse().requires_grad_(requires_grad=False)
    return Heads(network) if layout == HEADS else Classic(network)
