"""Artifacts: the inputs and results of stages, as frozen dataclasses that refer to files.

An artifact holds the path of its main file and the facts that later stages need, so that no stage reads the
configuration of another one. Further files of the artifact are in the same directory. The store sets
:attr:`Artifact.sha256` and :attr:`Artifact.provenance` when a stage has finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.label_classes import LabelClasses
from core.model_facts import InputContract, ModelFacts, Precision


@dataclass(frozen=True)
class Provenance:
    """The origin of an artifact: its stage, the plugin of the stage, and the digests of the inputs.

    It contains no time, so that equal work produces equal files; use the modification time of the file.

    Attributes:
        stage: Name of the stage.
        distribution: Distribution, version and plugin of the stage, e.g. ``blur 1.2 (plugin 'blur')``.
        key: Store key of the result, hexadecimal.
        inputs: SHA-256 of the main file of each input, by parameter.
    """

    stage: str
    distribution: str
    key: str
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Base of all artifacts.

    Attributes:
        path: Absolute path of the main file. A stage writes it below ``context.workdir``; the store moves all files of
            that folder.
        sha256: SHA-256 of the main file, hexadecimal; set by the store.
        provenance: Origin of the artifact; set by the store.
        notes: Remarks that are shown wherever the artifact is used, e.g. about a default.
        report: Lines that are printed if the stage was requested, also for a reused result, e.g. a table.
    """

    path: Path
    sha256: str = ""
    provenance: Provenance | None = None
    notes: tuple[str, ...] = ()
    report: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset(Artifact):
    """A labelled data set. ``path`` is a JSON file that lists the images and label files of each split.

    Attributes:
        digest: SHA-256 of the content: the class names, and the images and labels of each split in order. (``sha256``
            is that of the list of absolute paths.)
        names: Class names, index = class id.
        splits: Number of images per split, e.g. ``{"train": 128, "val": 128}``.
        classes: The classes in the label files if some are ignore regions, otherwise None.
    """

    digest: str
    names: tuple[str, ...]
    splits: Mapping[str, int]
    classes: LabelClasses | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Artifact):
    """Trained weights. ``path`` is a safetensors file; its metadata repeats ``facts`` as JSON.

    Attributes:
        facts: Facts of the model.
        values: Metrics of the training for ``summary.json``, as JSON values; None for weights that were not trained in
            this run.
    """

    facts: ModelFacts
    values: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class OnnxModel(Artifact):
    """An exported ONNX graph, float32.

    Attributes:
        facts: Facts of the model.
        contract: Input of the model.
        layout: Layout of the outputs: one of ``ModelFamily.layouts``, or :data:`DECODED`.
        precision: Precision of the graph.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str
    precision: Precision = Precision.fp32


@dataclass(frozen=True, kw_only=True)
class CalibrationTable(Artifact):
    """The calibrated range of each tensor. ``path`` is a JSON file; read it with :meth:`Ranges.read`.

    Attributes:
        method: Name of the calibrator.
        pictures: Number of calibration images.
    """

    method: str
    pictures: int


@dataclass(frozen=True, kw_only=True)
class QuantizedModel(OnnxModel):
    """An ONNX graph in its final precision: float32, float16 with float32 inputs and outputs, or int8 with Q/DQ pairs.

    Attributes:
        runtime: Name of the runtime that the graph is made for.
        fixed_sizes: That runtime supports no operators with data-dependent output sizes.
    """

    runtime: str
    fixed_sizes: bool = False


@dataclass(frozen=True, kw_only=True)
class GraftedModel(QuantizedModel):
    """An ONNX graph that outputs decoded boxes.

    Attributes:
        graft: Name of the appended graft.
        score_threshold: Objectness below which the graph drops a box.
        operators: Names of the non-standard operators in the graph; empty if there are none.
    """

    graft: str
    score_threshold: float
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Engine(Artifact):
    """A model that was built for one runtime and one kind of machine.

    ``RuntimeBackend.build`` returns it, made by ``job.engine``, which copies ``facts``, ``layout``, ``score_threshold``
    and ``notes`` from the model. ``contract`` has the sizes of ``job.batch`` and ``job.imgsz``.

    Attributes:
        facts: Facts of the model.
        contract: Input of the engine.
        layout: Layout of the outputs; :data:`DECODED` for an engine of a grafted model.
        precision: Precision that was requested.
        runtime: Name of the runtime that opens the engine.
        score_threshold: Objectness below which the engine drops a box; 0.0 if it drops none.
        machine: Facts of the machine, from ``RuntimeBackend.machine``; the runtime compares them when it opens the
            engine.
        settings: Options of the runtime with which the engine was built.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str
    precision: Precision
    runtime: str
    score_threshold: float
    machine: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImageList(Artifact):
    """Images without labels. ``path`` is a .txt file for ``source=``, with one path per line, relative to its folder.

    Attributes:
        values: Counts for ``summary.json``, e.g. ``{"pictures": 200}``.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Predictions(Artifact):
    """Detections in images or video. ``path`` is a JSON file in the format of COCO results.

    Attributes:
        values: Counts and speeds (frames, boxes, frames per second, ...) for ``summary.json``.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Metrics(Artifact):
    """Accuracy and speed on a data set. ``path`` is a JSON file with all metrics.

    Attributes:
        values: Metrics for ``summary.json``, e.g. ``{"map50_95": 0.34}``.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Comparison(Artifact):
    """Comparison of an engine with a reference on the same images. ``path`` is comparison.json.

    Attributes:
        values: Metrics for ``summary.json``: latencies, their ratio, agreement of boxes.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Artifact):
    """The diagnosis of this machine. ``path`` is a JSON file with all findings.

    Attributes:
        values: Number of findings per state.
        problem: Why the target cannot work on this machine; the run then ends with exit code 2. Empty if it can.
        remedy: The first thing to do.
    """

    values: Mapping[str, float]
    problem: str = ""
    remedy: str = ""


AnyModel = Checkpoint | OnnxModel | QuantizedModel | GraftedModel | Engine
"""All types of models that can be opened for inference."""


def named(value: Artifact) -> dict[str, object]:
    """Return the values that identify an artifact: content and facts, without path and origin."""
    unnamed = {"path", "provenance", "report"}
    if isinstance(value, Checkpoint):
        unnamed.add("values")  # measured; the weights identify it
    if isinstance(value, Dataset):
        unnamed.add("sha256")  # of a list of absolute paths; ``digest`` is that of the content
    return {key: item for key, item in vars(value).items() if key not in unnamed}
