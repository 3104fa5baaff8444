"""The implementation of the family: what the stages ask of it."""

from __future__ import annotations

from pathlib import Path

from hookline import Checkpoint, InputContract, Preprocessing, Session, Trained, TrainingJob
from hookline_anchorfree import checkpoint as own


class AnchorFreeBackend:
    """Implements hookline's ``ModelBackend``.

    Args:
        preprocessing: Of the family.
    """

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._preprocessing = preprocessing

    def read(self, path: Path, target: Path) -> Checkpoint:
        """Check a file of the family and write it to ``target``."""
        weights = own.load(path)
        own.save(weights, target)
        return Checkpoint(path=target, facts=weights.facts)

    def export(self, checkpoint: Checkpoint, target: Path, *, contract: InputContract, layout: str, opset: int) -> None:
        """Write the fused float32 network as ONNX; the family has one layout."""
        from hookline_anchorfree.exporting import export

        export(own.load(checkpoint.path).network().fuse(), target, contract, opset)

    def train(self, job: TrainingJob) -> Trained:
        """Train in this process."""
        from hookline_anchorfree.trainer import Trainer

        return Trainer(job, self._preprocessing).run()

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Session:
        """Run the network in PyTorch."""
        from hookline_anchorfree.session import TorchSession, device_of

        network = own.load(checkpoint.path).network().fuse()
        return TorchSession(network, checkpoint.facts, contract, layout, device_of(device))
