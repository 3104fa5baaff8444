"""What stands on which page for authors: :data:`PAGES`. The texts and fields of the names come from the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        title: Its heading.
        text: What it is about.
        names: Names of ``hookline`` in order.
        module: A module of which it also has all names, e.g. ``hookline.ranges``.
        met: ``module:name`` of classes that outside code gets and does not import, and which methods it may call; all
            where there are none.
        end: Text after the names.
    """

    title: str
    text: str
    names: tuple[str, ...] = ()
    module: str = ""
    met: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    end: str = ""


CODES = """## What an error does

| raised | the command prints | exit code | `code` in summary.json and status.json |
| --- | --- | --- | --- |
| `HooklineError` | one line: message, `; `, hint | 2 | `user_error` |
| `UnavailableError`, or a `PlanError` of nothing else | the same | 2 | `unavailable` |
| KeyboardInterrupt of Ctrl-C or a signal | how to resume | 130, 143 | `interrupted` |
| any other exception | a line that names plugin, file and line, and the traceback | 1 | `internal_error` |

Codes are stable: programs may depend on them. Do not catch `Exception` to raise a `HooklineError`: a bug keeps its
traceback. What is contained if a plugin fails: [failures of plugins](../plugin_failures.md)."""

PAGES: Mapping[str, Page] = {
    "artifacts": Page(
        "Artifacts",
        "What travels between stages. The annotations of a stage's function name them: its parameters are what it "
        "needs, its return type is what it gives. The plan matches a type exactly, without subclasses: "
        "`model: OnnxModel` takes what `export` made and no `QuantizedModel`; `OnnxModel | QuantizedModel` takes the "
        "newest of both in the plan; use `Stage.select` where the options decide. An artifact is a frozen "
        "dataclass; make another one with `dataclasses.replace(model, path=target)` or its constructor, keywords only. "
        "Leave `sha256` and `provenance` "
        "out: the store fills them in; it overwrites those that `replace` keeps. A stage must return exactly a type "
        "that its function declares, with values that are JSON (no NaN). A plugin may declare a type of its own, "
        "`@dataclass(frozen=True, kw_only=True) class Report(Artifact): ...`, with fields of the types `str`, `int`, "
        "`float`, `bool`, enumerations, `Path`, frozen dataclasses, and `tuple`, `Mapping` and unions of them. A field "
        "`values: Mapping[str, float]` of it is repeated in summary.json.",
        (
            "Artifact",
            "Provenance",
            "Dataset",
            "Checkpoint",
            "OnnxModel",
            "CalibrationTable",
            "QuantizedModel",
            "GraftedModel",
            "Engine",
            "AnyModel",
            "ImageList",
            "Predictions",
            "Metrics",
            "Comparison",
            "Diagnosis",
            "Precision",
            "Int8Route",
        ),
    ),
    "stages": Page(
        "Stages",
        "A `Stage` is yielded by the hook [`hookline_stages`](../hooks/stages.md). Its options are described in "
        "[options](options.md), its `context` in [context](context.md). `select` and "
        "`given` see the options as they were given, with `auto` for parts; `check`, `check_inputs`, `known` and "
        "`settle` see names of parts in place of `auto`; `fingerprint`, `families`, `supplement` and `run` also see "
        "what `settle` replaced.",
        (
            "Stage",
            "Known",
            "open_model",
            "ModelForm",
            "class_ids",
            "file_digest",
            "families_of_inputs",
            "all_families",
            "Sample",
            "load_split",
            "Labels",
            "load_labels",
        ),
    ),
    "context": Page(
        "Run context and reporter",
        "A stage gets a `RunContext` as its argument `context`. In tests, `hookline.testing.context` makes one.",
        ("RunContext", "Reporter", "Progress"),
        met={
            "core.kinds.lookup:Parts": ("get", "all"),
            "core.plugins.registry:Registry": ("get", "all"),
            "core.kinds.tracker:Trackers": ("scalars", "picture", "close"),
        },
    ),
    "options": Page(
        "Options and ranges",
        "A stage or a part declares its options as one dataclass with a default for each field. Types that the "
        "configuration takes: `int`, `float`, `bool`, `str`, an `Enum`, these with `| None`, `list` and `dict` of "
        "them, nested dataclasses, and `Any`. Values are checked and converted by these types, e.g. a text becomes "
        "the member of the enumeration that has this name; give each member its name as its value, since messages and "
        "`--help` show the values. The helpers below return a `dataclasses.field` that says more of one option; "
        "without any, an option keeps its own default, and its value is part of the store's key.",
        (
            "shared",
            "chosen",
            "presentation",
            "place",
            "fingerprinted",
            "NoOptions",
            "FamilyOptions",
            "family_options",
        ),
        module="hookline.ranges",
        met={"core.storage.serial:DataclassInstance": ()},
    ),
    "errors": Page(
        "Errors and codes",
        "Raise a `HooklineError` for what the user can change. Functions such as `check` and `check_options` yield "
        "errors instead, so that the plan reports all of them at once.",
        ("HooklineError", "UnavailableError", "PlanError", "shown", "unknown"),
        end=CODES,
    ),
    "models": Page(
        "Models, input contract and heads",
        "What is known of a detector, and the protocols of a model family "
        "(hook [`hookline_models`](../hooks/models.md)). The formulas are in [contracts](../contracts.md).",
        (
            "ModelFacts",
            "Preprocessing",
            "InputContract",
            "ModelFamily",
            "ModelBackend",
            "Release",
            "Head",
            "PixelHead",
            "DeviceDecode",
            "Candidates",
            "batch_axis",
            "DecodedHead",
            "DECODED",
            "NUM",
            "BOXES",
            "SCORES",
            "CLASSES",
            "OnnxSignature",
            "ModelMetadata",
            "parse_names",
            "parse_stride",
            "read_onnx",
        ),
        met={"core.kinds.head:Shape": ()},
    ),
    "runtimes": Page(
        "Runtimes, builds and sessions",
        "A `Runtime` (hook [`hookline_runtimes`](../hooks/runtimes.md)) builds engines and opens them as sessions.",
        (
            "Runtime",
            "Availability",
            "RuntimeBackend",
            "BuildRequest",
            "BuildJob",
            "Span",
            "BuildReporter",
            "CalibrationInput",
            "CalibrationFeed",
            "check_engine_file",
            "Session",
            "ReportingSession",
            "CheckingSession",
            "DeviceSession",
            "DeviceArray",
            "RecordingRuntime",
            "ActivationRecorder",
        ),
    ),
    "quantisation": Page(
        "Calibration, quantisation and grafts",
        "Calibrators find ranges, quantizers write another precision by the rules of a runtime, grafts end a model in "
        "boxes (hooks [`hookline_calibrators`](../hooks/calibrators.md), "
        "[`hookline_quantizers`](../hooks/quantizers.md), [`hookline_grafts`](../hooks/grafts.md)). "
        "A graph with Q/DQ pairs keeps the opset of the exported model, `export.opset` (default 17).",
        (
            "Calibrator",
            "RangeObserver",
            "TensorRange",
            "Ranges",
            "Quantizer",
            "QuantizerBackend",
            "QuantizeJob",
            "QdqStyle",
            "Graft",
            "CustomOperators",
            "GraftBackend",
        ),
    ),
    "boxes": Page(
        "Processors, boxes and filters",
        "A processor turns images into network input and outputs into boxes "
        "(hook [`hookline_processors`](../hooks/processors.md)).",
        (
            "Processor",
            "ProcessorBackend",
            "for_session",
            "DeviceProcessor",
            "PlacedProcessor",
            "Letterbox",
            "Filter",
            "Detections",
        ),
    ),
    "training": Page(
        "Training and trackers",
        "What the stage `train` gives to the trainer of a model family, and what it gets back; and what records "
        "trainings (hook [`hookline_trackers`](../hooks/trackers.md)).",
        (
            "TrainingJob",
            "TrainingImage",
            "TrainingWatcher",
            "EpochScores",
            "EpochResult",
            "Trained",
            "Tracker",
            "TrackerBackend",
            "PlacedTracker",
            "RunInfo",
        ),
        module="hookline.training",
    ),
    "lifecycle": Page(
        "Plan, steps and summary",
        "What lifecycle hooks are given: [`before_run`](../hooks/before_run.md), "
        "[`before_stage`](../hooks/before_stage.md), [`after_stage`](../hooks/after_stage.md), "
        "[`stage_failed`](../hooks/stage_failed.md), [`after_run`](../hooks/after_run.md). They observe; what they "
        "raise is a warning.",
        ("hookimpl", "Plan", "Step", "Summary", "StageRecord"),
    ),
    "checks": Page(
        "Checks and findings",
        "A `Check` (hook [`hookline_checks`](../hooks/checks.md)) is part of `+stage=doctor`.",
        ("Check",),
        module="hookline.checks",
    ),
    "testing": Page(
        "Testing",
        "For tests of plugins, from `hookline.testing`; it needs no pytest. A whole file of tests is in "
        "[the guide](index.md) and in [from Python](../python.md). When a test calls the function of a stage directly, "
        "pass every option that follows a top-level option (`shared`): without a run its default is a placeholder, "
        "e.g. the text `${conf}`.",
        module="hookline.testing",
    ),
    "sources": Page(
        "Sources",
        "What `source=` names ([sources](../sources.md)), listed and read as the stages do. A stage passes "
        "`warn=context.warn`, and takes its options from the top-level ones: "
        '`source: Any = shared("source", place=True)`, `max_pixels: int = shared("max_pixels")`. Return '
        "`list_source(config.source).digest(context.cache_dir)` from `Stage.fingerprint`, so that the key of the stage "
        "depends on the content of the files.",
        ("frames", "Frame", "list_source", "Source", "SourceKind", "frame_count"),
    ),
    "scripts": Page(
        "Scripts and notebooks",
        "How to use these is explained in [from Python](../python.md).",
        ("open", "Model", "NamedDetections", "read_image", "build", "run", "RunResult", "sample", "__version__"),
    ),
}
