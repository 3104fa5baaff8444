"""All that this package takes from hookline."""

from __future__ import annotations

from core.artifacts import Checkpoint, InputContract, ModelFacts, Preprocessing, QuantizedModel
from core.detections import Candidates, Filter
from core.errors import HooklineError
from core.head import BOXES, CLASSES, NUM, SCORES, DeviceDecode, Head
from core.hookspecs import hookimpl
from core.parts import Graft, ModelFamily, NoOptions, Session
from core.ranges import NonNegativeFloat, PositiveFloat
from core.training import BEST, LAST, STATE, EpochResult, Trained, TrainingJob, TrainingPicture

__all__ = [
    "BEST",
    "BOXES",
    "CLASSES",
    "LAST",
    "NUM",
    "SCORES",
    "STATE",
    "Candidates",
    "Checkpoint",
    "DeviceDecode",
    "EpochResult",
    "Filter",
    "Graft",
    "Head",
    "HooklineError",
    "InputContract",
    "ModelFacts",
    "ModelFamily",
    "NoOptions",
    "NonNegativeFloat",
    "PositiveFloat",
    "Preprocessing",
    "QuantizedModel",
    "Session",
    "Trained",
    "TrainingJob",
    "TrainingPicture",
    "hookimpl",
]
