"""What travels between stages: frozen dataclasses that point at files.

An artifact holds the path of its main file and the facts that later stages need, so that no stage
reads another stage's configuration. Files that belong to it lie in the same directory. The store
fills in :attr:`Artifact.sha256` and :attr:`Artifact.provenance` when a stage has finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.model_facts import InputContract, ModelFacts, Precision


@dataclass(frozen=True)
class Provenance:
    """Where an artifact comes from: the stage, who ships it, and the digests of what went in.

    There is no time in it: equal work gives equal files. The modification time of the file says when it was made.

    Attributes:
        stage: Name of the stage.
        distribution: Distribution, version and plugin that ship the stage, e.g. ``blur 1.2 (plugin 'blur')``.
        key: The store's key of the result, hexadecimal.
        inputs: SHA-256 of the main file of each input by the name of the parameter.
    """

    stage: str
    distribution: str
    key: str
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Base of all artifacts.

    Attributes:
        path: The main file, absolute. A stage writes it below ``context.workdir``; the store moves it with all other
            files there.
        sha256: Of that file, hexadecimal; empty until the store has taken the artifact in.
        provenance: Filled in by the store.
        notes: Remarks a user must see wherever the artifact is used, e.g. a default that was taken.
        report: Text that is printed whenever the artifact was asked for, also when it is reused, e.g. a table.
    """

    path: Path
    sha256: str = ""
    provenance: Provenance | None = None
    notes: tuple[str, ...] = ()
    report: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset(Artifact):
    """A labelled data set. ``path`` is a JSON file that lists the images and labels of each split.

    Attributes:
        digest: SHA-256 of the content: class names, and per split the images and labels in their order
            The listing itself holds absolute paths and says nothing of content.
        names: Class names, index = class id.
        splits: Number of images per split, e.g. ``{"train": 128, "val": 128}``.
    """

    digest: str
    names: tuple[str, ...]
    splits: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Artifact):
    """Trained weights. ``path`` is a safetensors file; its metadata repeats ``facts`` as JSON.

    Attributes:
        facts: What the model is.
        values: What the training measured, for ``summary.json``; JSON values. None for weights that no training of
            this run made.
    """

    facts: ModelFacts
    values: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class OnnxModel(Artifact):
    """An ONNX graph as exported, float32.

    Attributes:
        facts: What the model is.
        contract: Its input.
        layout: Which of its family's layouts the outputs have, or :data:`DECODED`.
        precision: Arithmetic of the graph.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str
    precision: Precision = Precision.fp32


@dataclass(frozen=True, kw_only=True)
class CalibrationTable(Artifact):
    """A range per tensor. ``path`` is a JSON file, which :meth:`Ranges.read` reads.

    Attributes:
        method: Name of the calibrator.
        pictures: How many images were observed.
    """

    method: str
    pictures: int


@dataclass(frozen=True, kw_only=True)
class QuantizedModel(OnnxModel):
    """An ONNX graph whose precision is settled: float32, float16 inside, or int8 Q/DQ.

    Attributes:
        runtime: Name of the runtime whose rules the graph follows.
        fixed_sizes: That runtime takes no operators whose result has a size that depends on the data.
    """

    runtime: str
    fixed_sizes: bool = False


@dataclass(frozen=True, kw_only=True)
class GraftedModel(QuantizedModel):
    """A graph that ends in decoded boxes.

    Attributes:
        graft: Name of the graft that was appended.
        score_threshold: Objectness below which the graph drops a box.
        operators: Names of the non-standard operators a runtime needs, empty if none.
    """

    graft: str
    score_threshold: float
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Engine(Artifact):
    """A model prepared for one runtime on one kind of machine.

    ``RuntimeBackend.build`` makes one: ``facts``, ``layout``, ``score_threshold`` and ``notes`` are those of
    ``job.model``; ``contract`` is that of the model with the sizes of ``job.batch`` and ``job.imgsz``.

    Attributes:
        facts: What the model is.
        contract: Its input.
        layout: Layout of its outputs; :data:`DECODED` for an engine of a grafted model.
        precision: The precision that was asked for.
        runtime: Name of the runtime that opens it.
        score_threshold: Objectness below which the engine drops a box; 0.0 where it does not.
        machine: What it was built on and for, as ``RuntimeBackend.machine`` returned it; the runtime compares it when
            it opens the engine.
        settings: Options of the runtime that it was built and warmed up with.
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
class Pictures(Artifact):
    """Images without labels. ``path`` is a .txt list, one path per line, relative to its folder; ``source=`` takes it.

    Attributes:
        values: Counts for ``summary.json``, e.g. ``{"pictures": 200}``.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Predictions(Artifact):
    """Boxes found in images or video. ``path`` is the COCO results JSON.

    Attributes:
        values: Counts and speeds of the run (frames, boxes, frames per second, ...).
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Metrics(Artifact):
    """Accuracy and speed on a data set. ``path`` is a JSON file with the tables in full.

    Attributes:
        values: The figures that ``summary.json`` repeats, e.g. ``{"map50_95": 0.34}``.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Comparison(Artifact):
    """An engine compared with a reference engine on the same images. ``path`` is comparison.json.

    Attributes:
        values: The figures that ``summary.json`` repeats: latencies, their ratio, agreement of boxes.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Artifact):
    """What was found on this machine. ``path`` is a JSON file with all findings.

    Attributes:
        values: Number of findings in each state.
        problem: Why what was asked for cannot work here; empty where it can. It ends the run with exit code 2.
        remedy: What to do first about it.
    """

    values: Mapping[str, float]
    problem: str = ""
    remedy: str = ""


AnyModel = Checkpoint | OnnxModel | QuantizedModel | GraftedModel | Engine
"""Everything that can be opened and asked for boxes."""


def named(value: Artifact) -> dict[str, object]:
    """Return content and facts of an artifact, without its place and origin: what its identity is made from."""
    unnamed = {"path", "provenance", "report"}
    if isinstance(value, Checkpoint):
        unnamed.add("values")  # measured; the weights say what it is
    if isinstance(value, Dataset):
        unnamed.add("sha256")  # of the listing, which holds absolute paths; ``digest`` says what they lead to
    return {key: item for key, item in vars(value).items() if key not in unnamed}
