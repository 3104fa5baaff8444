"""hookline for plugins, scripts and notebooks: everything that code outside of this repository imports.

Names are loaded when they are used, so that ``import hookline`` costs nothing. The packages behind it (``core``,
``stages``, ``backends``) may change without notice; what this package exports changes by the changelog only.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.artifacts import AnyModel as AnyModel
    from core.artifacts import Artifact as Artifact
    from core.artifacts import CalibrationTable as CalibrationTable
    from core.artifacts import Checkpoint as Checkpoint
    from core.artifacts import Comparison as Comparison
    from core.artifacts import Dataset as Dataset
    from core.artifacts import Diagnosis as Diagnosis
    from core.artifacts import Engine as Engine
    from core.artifacts import GraftedModel as GraftedModel
    from core.artifacts import Metrics as Metrics
    from core.artifacts import OnnxModel as OnnxModel
    from core.artifacts import Pictures as Pictures
    from core.artifacts import Predictions as Predictions
    from core.artifacts import Provenance as Provenance
    from core.artifacts import QuantizedModel as QuantizedModel
    from core.calibration import Ranges as Ranges
    from core.calibration import TensorRange as TensorRange
    from core.data.classes import class_ids as class_ids
    from core.data.dataset import Sample as Sample
    from core.data.dataset import load_split as load_split
    from core.detections import Candidates as Candidates
    from core.detections import Detections as Detections
    from core.detections import Filter as Filter
    from core.detections import Letterbox as Letterbox
    from core.errors import HooklineError as HooklineError
    from core.errors import PlanError as PlanError
    from core.errors import UnavailableError as UnavailableError
    from core.errors import shown as shown
    from core.errors import unknown as unknown
    from core.execution.in_process import RunResult as RunResult
    from core.files.onnx_file import read_onnx as read_onnx
    from core.kinds.building import BuildJob as BuildJob
    from core.kinds.building import BuildReporter as BuildReporter
    from core.kinds.building import BuildRequest as BuildRequest
    from core.kinds.building import CalibrationFeed as CalibrationFeed
    from core.kinds.building import CalibrationInput as CalibrationInput
    from core.kinds.calibrator import Calibrator as Calibrator
    from core.kinds.calibrator import RangeObserver as RangeObserver
    from core.kinds.check import Check as Check
    from core.kinds.context import RunContext as RunContext
    from core.kinds.family_options import FamilyOptions as FamilyOptions
    from core.kinds.family_options import family_options as family_options
    from core.kinds.graft import CustomOperators as CustomOperators
    from core.kinds.graft import Graft as Graft
    from core.kinds.graft import GraftBackend as GraftBackend
    from core.kinds.head import BOXES as BOXES
    from core.kinds.head import CLASSES as CLASSES
    from core.kinds.head import NUM as NUM
    from core.kinds.head import SCORES as SCORES
    from core.kinds.head import DecodedHead as DecodedHead
    from core.kinds.head import DeviceDecode as DeviceDecode
    from core.kinds.head import Head as Head
    from core.kinds.head import PixelHead as PixelHead
    from core.kinds.head import batch_axis as batch_axis
    from core.kinds.lifecycle import Plan as Plan
    from core.kinds.lifecycle import StageRecord as StageRecord
    from core.kinds.lifecycle import Step as Step
    from core.kinds.lifecycle import Summary as Summary
    from core.kinds.model import ModelBackend as ModelBackend
    from core.kinds.model import ModelFamily as ModelFamily
    from core.kinds.model import Release as Release
    from core.kinds.part import Availability as Availability
    from core.kinds.part import NoOptions as NoOptions
    from core.kinds.processor import DeviceProcessor as DeviceProcessor
    from core.kinds.processor import PlacedProcessor as PlacedProcessor
    from core.kinds.processor import Processor as Processor
    from core.kinds.processor import ProcessorBackend as ProcessorBackend
    from core.kinds.processor import for_session as for_session
    from core.kinds.quantizer import QdqStyle as QdqStyle
    from core.kinds.quantizer import QuantizeJob as QuantizeJob
    from core.kinds.quantizer import Quantizer as Quantizer
    from core.kinds.quantizer import QuantizerBackend as QuantizerBackend
    from core.kinds.runtime import ActivationRecorder as ActivationRecorder
    from core.kinds.runtime import RecordingRuntime as RecordingRuntime
    from core.kinds.runtime import Runtime as Runtime
    from core.kinds.runtime import RuntimeBackend as RuntimeBackend
    from core.kinds.session import CheckingSession as CheckingSession
    from core.kinds.session import DeviceArray as DeviceArray
    from core.kinds.session import DeviceSession as DeviceSession
    from core.kinds.session import ReportingSession as ReportingSession
    from core.kinds.session import Session as Session
    from core.kinds.stage import Known as Known
    from core.kinds.stage import Stage as Stage
    from core.kinds.stage import all_families as all_families
    from core.kinds.stage import families_of_inputs as families_of_inputs
    from core.kinds.tracker import PlacedTracker as PlacedTracker
    from core.kinds.tracker import RunInfo as RunInfo
    from core.kinds.tracker import Tracker as Tracker
    from core.kinds.tracker import TrackerBackend as TrackerBackend
    from core.kinds.training import EpochResult as EpochResult
    from core.kinds.training import EpochScores as EpochScores
    from core.kinds.training import Trained as Trained
    from core.kinds.training import TrainingJob as TrainingJob
    from core.kinds.training import TrainingPicture as TrainingPicture
    from core.kinds.training import TrainingWatcher as TrainingWatcher
    from core.labels import Labels as Labels
    from core.labels import load_labels as load_labels
    from core.media.frame import Frame as Frame
    from core.media.source import Source as Source
    from core.media.source import SourceKind as SourceKind
    from core.media.source import list_source as list_source
    from core.model_facts import DECODED as DECODED
    from core.model_facts import InputContract as InputContract
    from core.model_facts import Int8Route as Int8Route
    from core.model_facts import ModelFacts as ModelFacts
    from core.model_facts import Precision as Precision
    from core.model_facts import Preprocessing as Preprocessing
    from core.options.fields import chosen as chosen
    from core.options.fields import fingerprinted as fingerprinted
    from core.options.fields import place as place
    from core.options.fields import presentation as presentation
    from core.options.fields import shared as shared
    from core.options.sizes import Span as Span
    from core.planning.open_model import open_model as open_model
    from core.planning.opening import ModelForm as ModelForm
    from core.plugins.hookspecs import hookimpl as hookimpl
    from core.reporting import Progress as Progress
    from core.reporting import Reporter as Reporter
    from core.storage.digest import file_digest as file_digest
    from core.storage.metadata import ModelMetadata as ModelMetadata
    from core.storage.metadata import OnnxSignature as OnnxSignature
    from core.storage.metadata import parse_names as parse_names
    from core.storage.metadata import parse_stride as parse_stride
    from core.storage.sidecar import check_engine_file as check_engine_file
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
    "Availability": "core.kinds.part",
    "BOXES": "core.kinds.head",
    "BuildJob": "core.kinds.building",
    "BuildReporter": "core.kinds.building",
    "BuildRequest": "core.kinds.building",
    "CLASSES": "core.kinds.head",
    "CalibrationFeed": "core.kinds.building",
    "CalibrationInput": "core.kinds.building",
    "CalibrationTable": "core.artifacts",
    "Calibrator": "core.kinds.calibrator",
    "Candidates": "core.detections",
    "Check": "core.kinds.check",
    "CheckingSession": "core.kinds.session",
    "Checkpoint": "core.artifacts",
    "Comparison": "core.artifacts",
    "CustomOperators": "core.kinds.graft",
    "DECODED": "core.model_facts",
    "Dataset": "core.artifacts",
    "DecodedHead": "core.kinds.head",
    "Detections": "core.detections",
    "DeviceArray": "core.kinds.session",
    "DeviceDecode": "core.kinds.head",
    "DeviceProcessor": "core.kinds.processor",
    "DeviceSession": "core.kinds.session",
    "Diagnosis": "core.artifacts",
    "Engine": "core.artifacts",
    "EpochResult": "core.kinds.training",
    "EpochScores": "core.kinds.training",
    "FamilyOptions": "core.kinds.family_options",
    "Filter": "core.detections",
    "Frame": "core.media.frame",
    "Graft": "core.kinds.graft",
    "GraftBackend": "core.kinds.graft",
    "GraftedModel": "core.artifacts",
    "Head": "core.kinds.head",
    "HooklineError": "core.errors",
    "InputContract": "core.model_facts",
    "Int8Route": "core.model_facts",
    "Known": "core.kinds.stage",
    "Labels": "core.labels",
    "Letterbox": "core.detections",
    "Metrics": "core.artifacts",
    "Model": "hookline.model",
    "ModelBackend": "core.kinds.model",
    "ModelFacts": "core.model_facts",
    "ModelFamily": "core.kinds.model",
    "ModelForm": "core.planning.opening",
    "ModelMetadata": "core.storage.metadata",
    "NUM": "core.kinds.head",
    "NamedDetections": "hookline.model",
    "NoOptions": "core.kinds.part",
    "OnnxModel": "core.artifacts",
    "OnnxSignature": "core.storage.metadata",
    "Pictures": "core.artifacts",
    "PixelHead": "core.kinds.head",
    "PlacedProcessor": "core.kinds.processor",
    "PlacedTracker": "core.kinds.tracker",
    "Plan": "core.kinds.lifecycle",
    "PlanError": "core.errors",
    "Precision": "core.model_facts",
    "Predictions": "core.artifacts",
    "Preprocessing": "core.model_facts",
    "Processor": "core.kinds.processor",
    "ProcessorBackend": "core.kinds.processor",
    "Progress": "core.reporting",
    "Provenance": "core.artifacts",
    "QdqStyle": "core.kinds.quantizer",
    "QuantizeJob": "core.kinds.quantizer",
    "QuantizedModel": "core.artifacts",
    "Quantizer": "core.kinds.quantizer",
    "QuantizerBackend": "core.kinds.quantizer",
    "RangeObserver": "core.kinds.calibrator",
    "Ranges": "core.calibration",
    "Release": "core.kinds.model",
    "Reporter": "core.reporting",
    "RunContext": "core.kinds.context",
    "RunInfo": "core.kinds.tracker",
    "RunResult": "core.execution.in_process",
    "Runtime": "core.kinds.runtime",
    "RuntimeBackend": "core.kinds.runtime",
    "SCORES": "core.kinds.head",
    "Sample": "core.data.dataset",
    "Session": "core.kinds.session",
    "Source": "core.media.source",
    "SourceKind": "core.media.source",
    "Span": "core.options.sizes",
    "Stage": "core.kinds.stage",
    "StageRecord": "core.kinds.lifecycle",
    "Step": "core.kinds.lifecycle",
    "Summary": "core.kinds.lifecycle",
    "ActivationRecorder": "core.kinds.runtime",
    "RecordingRuntime": "core.kinds.runtime",
    "ReportingSession": "core.kinds.session",
    "TensorRange": "core.calibration",
    "Tracker": "core.kinds.tracker",
    "TrackerBackend": "core.kinds.tracker",
    "Trained": "core.kinds.training",
    "TrainingJob": "core.kinds.training",
    "TrainingPicture": "core.kinds.training",
    "TrainingWatcher": "core.kinds.training",
    "UnavailableError": "core.errors",
    "__version__": "core.version",
    "all_families": "core.kinds.stage",
    "batch_axis": "core.kinds.head",
    "build": "hookline.running",
    "check_engine_file": "core.storage.sidecar",
    "chosen": "core.options.fields",
    "class_ids": "core.data.classes",
    "families_of_inputs": "core.kinds.stage",
    "family_options": "core.kinds.family_options",
    "file_digest": "core.storage.digest",
    "fingerprinted": "core.options.fields",
    "for_session": "core.kinds.processor",
    "frame_count": "hookline.sources",
    "frames": "hookline.sources",
    "hookimpl": "core.plugins.hookspecs",
    "list_source": "core.media.source",
    "load_labels": "core.labels",
    "load_split": "core.data.dataset",
    "open": "hookline.model",
    "open_model": "core.planning.open_model",
    "parse_names": "core.storage.metadata",
    "parse_stride": "core.storage.metadata",
    "place": "core.options.fields",
    "presentation": "core.options.fields",
    "read_image": "hookline.model",
    "read_onnx": "core.files.onnx_file",
    "run": "hookline.running",
    "sample": "hookline.samples",
    "shared": "core.options.fields",
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
