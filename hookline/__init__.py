"""hookline for plugins, scripts and notebooks: everything that code outside of this repository imports.

Names are loaded when they are used, so that ``import hookline`` costs nothing. The packages behind it (``core``,
``stages``, ``backends``) may change without notice; what this package exports changes by the changelog only.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.artifacts import DECODED as DECODED
    from core.artifacts import AnyModel as AnyModel
    from core.artifacts import Artifact as Artifact
    from core.artifacts import CalibrationTable as CalibrationTable
    from core.artifacts import Checkpoint as Checkpoint
    from core.artifacts import Comparison as Comparison
    from core.artifacts import Dataset as Dataset
    from core.artifacts import Diagnosis as Diagnosis
    from core.artifacts import Engine as Engine
    from core.artifacts import GraftedModel as GraftedModel
    from core.artifacts import InputContract as InputContract
    from core.artifacts import Int8Route as Int8Route
    from core.artifacts import Metrics as Metrics
    from core.artifacts import ModelFacts as ModelFacts
    from core.artifacts import OnnxModel as OnnxModel
    from core.artifacts import Pictures as Pictures
    from core.artifacts import Precision as Precision
    from core.artifacts import Predictions as Predictions
    from core.artifacts import Preprocessing as Preprocessing
    from core.artifacts import Provenance as Provenance
    from core.artifacts import QuantizedModel as QuantizedModel
    from core.building import BuildJob as BuildJob
    from core.building import BuildReporter as BuildReporter
    from core.building import BuildRequest as BuildRequest
    from core.building import CalibrationFeed as CalibrationFeed
    from core.building import CalibrationInput as CalibrationInput
    from core.calibration import Ranges as Ranges
    from core.calibration import TensorRange as TensorRange
    from core.classes import class_ids as class_ids
    from core.config import chosen as chosen
    from core.config import fingerprinted as fingerprinted
    from core.config import place as place
    from core.config import presentation as presentation
    from core.config import shared as shared
    from core.context import Progress as Progress
    from core.context import Reporter as Reporter
    from core.context import RunContext as RunContext
    from core.dataset import Sample as Sample
    from core.dataset import load_split as load_split
    from core.detections import Candidates as Candidates
    from core.detections import Detections as Detections
    from core.detections import Filter as Filter
    from core.detections import Letterbox as Letterbox
    from core.digest import file_digest as file_digest
    from core.engine_file import check_engine_file as check_engine_file
    from core.errors import HooklineError as HooklineError
    from core.errors import PlanError as PlanError
    from core.errors import UnavailableError as UnavailableError
    from core.errors import shown as shown
    from core.errors import unknown as unknown
    from core.families import all_families as all_families
    from core.families import families_of_inputs as families_of_inputs
    from core.family_options import FamilyOptions as FamilyOptions
    from core.family_options import family_options as family_options
    from core.head import BOXES as BOXES
    from core.head import CLASSES as CLASSES
    from core.head import NUM as NUM
    from core.head import SCORES as SCORES
    from core.head import DecodedHead as DecodedHead
    from core.head import DeviceDecode as DeviceDecode
    from core.head import Head as Head
    from core.head import PixelHead as PixelHead
    from core.head import batch_axis as batch_axis
    from core.hookspecs import hookimpl as hookimpl
    from core.in_process import RunResult as RunResult
    from core.known import Known as Known
    from core.labels import Labels as Labels
    from core.labels import load_labels as load_labels
    from core.media.frame import Frame as Frame
    from core.media.source import Source as Source
    from core.media.source import SourceKind as SourceKind
    from core.media.source import list_source as list_source
    from core.metadata import ModelMetadata as ModelMetadata
    from core.metadata import OnnxSignature as OnnxSignature
    from core.metadata import parse_names as parse_names
    from core.metadata import parse_stride as parse_stride
    from core.onnx_file import read_onnx as read_onnx
    from core.opening import ModelForm as ModelForm
    from core.opening import open_model as open_model
    from core.parts import Availability as Availability
    from core.parts import Calibrator as Calibrator
    from core.parts import Check as Check
    from core.parts import CheckingSession as CheckingSession
    from core.parts import CustomOperators as CustomOperators
    from core.parts import DeviceArray as DeviceArray
    from core.parts import DeviceProcessor as DeviceProcessor
    from core.parts import DeviceSession as DeviceSession
    from core.parts import Graft as Graft
    from core.parts import GraftBackend as GraftBackend
    from core.parts import ModelBackend as ModelBackend
    from core.parts import ModelFamily as ModelFamily
    from core.parts import NoOptions as NoOptions
    from core.parts import PlacedProcessor as PlacedProcessor
    from core.parts import PlacedTracker as PlacedTracker
    from core.parts import Processor as Processor
    from core.parts import ProcessorBackend as ProcessorBackend
    from core.parts import Quantizer as Quantizer
    from core.parts import QuantizerBackend as QuantizerBackend
    from core.parts import RangeObserver as RangeObserver
    from core.parts import Release as Release
    from core.parts import Runtime as Runtime
    from core.parts import RuntimeBackend as RuntimeBackend
    from core.parts import Session as Session
    from core.parts import Tap as Tap
    from core.parts import TappingRuntime as TappingRuntime
    from core.parts import TellingSession as TellingSession
    from core.parts import Tracker as Tracker
    from core.parts import TrackerBackend as TrackerBackend
    from core.parts import for_session as for_session
    from core.plan import Plan as Plan
    from core.plan import Step as Step
    from core.quantizing import QdqStyle as QdqStyle
    from core.quantizing import QuantizeJob as QuantizeJob
    from core.spans import Span as Span
    from core.stage import Stage as Stage
    from core.summary import StageRecord as StageRecord
    from core.summary import Summary as Summary
    from core.trackers import RunInfo as RunInfo
    from core.training import EpochResult as EpochResult
    from core.training import EpochScores as EpochScores
    from core.training import Trained as Trained
    from core.training import TrainingJob as TrainingJob
    from core.training import TrainingPicture as TrainingPicture
    from core.training import TrainingWatcher as TrainingWatcher
    from core.version import __version__ as __version__
    from hookline.model import Model as Model
    from hookline.model import NamedDetections as NamedDetections
    from hookline.model import open as open  # noqa: A004
    from hookline.model import read_image as read_image
    from hookline.running import build as build
    from hookline.running import run as run
    from hookline.samples import sample as sample
    from hookline.sources import frame_count as frame_count
    from hookline.sources import frames as frames

_MODULES: Mapping[str, str] = {
    "AnyModel": "core.artifacts",
    "Artifact": "core.artifacts",
    "Availability": "core.parts",
    "BOXES": "core.head",
    "BuildJob": "core.building",
    "BuildReporter": "core.building",
    "BuildRequest": "core.building",
    "CLASSES": "core.head",
    "CalibrationFeed": "core.building",
    "CalibrationInput": "core.building",
    "CalibrationTable": "core.artifacts",
    "Calibrator": "core.parts",
    "Candidates": "core.detections",
    "Check": "core.parts",
    "CheckingSession": "core.parts",
    "Checkpoint": "core.artifacts",
    "Comparison": "core.artifacts",
    "CustomOperators": "core.parts",
    "DECODED": "core.artifacts",
    "Dataset": "core.artifacts",
    "DecodedHead": "core.head",
    "Detections": "core.detections",
    "DeviceArray": "core.parts",
    "DeviceDecode": "core.head",
    "DeviceProcessor": "core.parts",
    "DeviceSession": "core.parts",
    "Diagnosis": "core.artifacts",
    "Engine": "core.artifacts",
    "EpochResult": "core.training",
    "EpochScores": "core.training",
    "FamilyOptions": "core.family_options",
    "Filter": "core.detections",
    "Frame": "core.media.frame",
    "Graft": "core.parts",
    "GraftBackend": "core.parts",
    "GraftedModel": "core.artifacts",
    "Head": "core.head",
    "HooklineError": "core.errors",
    "InputContract": "core.artifacts",
    "Int8Route": "core.artifacts",
    "Known": "core.known",
    "Labels": "core.labels",
    "Letterbox": "core.detections",
    "Metrics": "core.artifacts",
    "Model": "hookline.model",
    "ModelBackend": "core.parts",
    "ModelFacts": "core.artifacts",
    "ModelFamily": "core.parts",
    "ModelForm": "core.opening",
    "ModelMetadata": "core.metadata",
    "NUM": "core.head",
    "NamedDetections": "hookline.model",
    "NoOptions": "core.parts",
    "OnnxModel": "core.artifacts",
    "OnnxSignature": "core.metadata",
    "Pictures": "core.artifacts",
    "PixelHead": "core.head",
    "PlacedProcessor": "core.parts",
    "PlacedTracker": "core.parts",
    "Plan": "core.plan",
    "PlanError": "core.errors",
    "Precision": "core.artifacts",
    "Predictions": "core.artifacts",
    "Preprocessing": "core.artifacts",
    "Processor": "core.parts",
    "ProcessorBackend": "core.parts",
    "Progress": "core.context",
    "Provenance": "core.artifacts",
    "QdqStyle": "core.quantizing",
    "QuantizeJob": "core.quantizing",
    "QuantizedModel": "core.artifacts",
    "Quantizer": "core.parts",
    "QuantizerBackend": "core.parts",
    "RangeObserver": "core.parts",
    "Ranges": "core.calibration",
    "Release": "core.parts",
    "Reporter": "core.context",
    "RunContext": "core.context",
    "RunInfo": "core.trackers",
    "RunResult": "core.in_process",
    "Runtime": "core.parts",
    "RuntimeBackend": "core.parts",
    "SCORES": "core.head",
    "Sample": "core.dataset",
    "Session": "core.parts",
    "Source": "core.media.source",
    "SourceKind": "core.media.source",
    "Span": "core.spans",
    "Stage": "core.stage",
    "StageRecord": "core.summary",
    "Step": "core.plan",
    "Summary": "core.summary",
    "Tap": "core.parts",
    "TappingRuntime": "core.parts",
    "TellingSession": "core.parts",
    "TensorRange": "core.calibration",
    "Tracker": "core.parts",
    "TrackerBackend": "core.parts",
    "Trained": "core.training",
    "TrainingJob": "core.training",
    "TrainingPicture": "core.training",
    "TrainingWatcher": "core.training",
    "UnavailableError": "core.errors",
    "__version__": "core.version",
    "all_families": "core.families",
    "batch_axis": "core.head",
    "build": "hookline.running",
    "check_engine_file": "core.engine_file",
    "chosen": "core.config",
    "class_ids": "core.classes",
    "families_of_inputs": "core.families",
    "family_options": "core.family_options",
    "file_digest": "core.digest",
    "fingerprinted": "core.config",
    "for_session": "core.parts",
    "frame_count": "hookline.sources",
    "frames": "hookline.sources",
    "hookimpl": "core.hookspecs",
    "list_source": "core.media.source",
    "load_labels": "core.labels",
    "load_split": "core.dataset",
    "open": "hookline.model",
    "open_model": "core.opening",
    "parse_names": "core.metadata",
    "parse_stride": "core.metadata",
    "place": "core.config",
    "presentation": "core.config",
    "read_image": "hookline.model",
    "read_onnx": "core.onnx_file",
    "run": "hookline.running",
    "sample": "hookline.samples",
    "shared": "core.config",
    "shown": "core.errors",
    "unknown": "core.errors",
}
"""Each name and the module that it comes from; the imports above say the same to type checkers."""

__all__ = list(_MODULES)


if not TYPE_CHECKING:  # a type checker would accept every name because of it

    def __getattr__(name: str) -> object:
        """Import a name when it is used first."""
        if name not in _MODULES:
            raise AttributeError(f"module 'hookline' has no attribute '{name}'")
        value = getattr(importlib.import_module(_MODULES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """Return the names that can be imported."""
        return sorted({*globals(), *_MODULES})
