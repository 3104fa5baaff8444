"""The subjects of the pages for authors: :data:`PAGES`. Descriptions and fields of the names come from the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        title: Heading of the page.
        text: Introduction.
        names: Names of ``hookline`` in the order of the page, separated by spaces.
        module: A module with further names, all of which are on the page, e.g. ``hookline.ranges``.
        met: ``module:name`` of classes that appear in signatures and cannot be imported, with the methods that plugins
            may call; empty for all methods.
        end: Text after the names.
    """

    title: str
    text: str
    names: str = ""
    module: str = ""
    met: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    end: str = ""


CODES = """## Effects of an error

| raised | the command prints | exit code | `code` in summary.json and status.json |
| --- | --- | --- | --- |
| `HooklineError` | one line: message, `; `, hint | 2 | `user_error` |
| `UnavailableError`, or a `PlanError` that contains only these | the same | 2 | `unavailable` |
| KeyboardInterrupt by Ctrl-C or a signal | how to resume | 130, 143 | `interrupted` |
| any other exception | a line that names plugin, file and line, and the traceback | 1 | `internal_error` |

The codes are stable; programs may depend on them. Do not catch `Exception` to raise a `HooklineError`: a bug must keep
its traceback. How hookline handles a failing plugin: [failures of plugins](../plugin_failures.md)."""

PAGES: Mapping[str, Page] = {
    "artifacts": Page(
        "Artifacts",
        "The inputs and results of stages. The annotations of the function of a stage name them: the parameters are "
        "its inputs, the return type is its result. Types match exactly, without subclasses: `model: OnnxModel` gets "
        "the result of `export` and never a `QuantizedModel`; `OnnxModel | QuantizedModel` gets the newest of both in "
        "the plan. Use `Stage.select` if the options decide. An artifact is a frozen dataclass; create one with "
        "`dataclasses.replace(model, path=target)` or with its constructor (keywords only). Do not set `sha256` and "
        "`provenance`: the store sets them, also after `replace`. A stage must return one of the types in its "
        "annotation, and no subclass; all values must be valid JSON (no NaN). A plugin can define an artifact type, "
        "`@dataclass(frozen=True, kw_only=True) class Report(Artifact): ...`, with fields of the types `str`, `int`, "
        "`float`, `bool`, enumerations, `Path`, frozen dataclasses, and `tuple`, `Mapping` and unions of them. "
        "summary.json contains the field `values: Mapping[str, float]`, if the type has it.",
        (
            "Artifact Provenance Dataset Checkpoint OnnxModel CalibrationTable QuantizedModel GraftedModel Engine "
            "AnyModel ImageList Predictions Metrics Comparison Diagnosis Precision Int8Route"
        ),
    ),
    "stages": Page(
        "Stages",
        "The hook [`hookline_stages`](../hooks/stages.md) yields `Stage` descriptors. See also [options](options.md) "
        "and [context](context.md). `select` and `given` get the options as the user set them, "
        "including `auto`. `check`, `check_inputs`, `known` and `settle` get the names of parts in place of `auto`. "
        "`fingerprint`, `families`, `supplement` and `run` get the options that `settle` returned.",
        (
            "Stage Known open_model ModelForm class_ids file_digest families_of_inputs all_families Sample load_split "
            "Labels load_labels LabelClasses ALL_CLASSES"
        ),
    ),
    "context": Page(
        "Run context and reporter",
        "A stage gets a `RunContext` as its argument `context`. In tests, create one with `hookline.testing.context`.",
        "RunContext Reporter Progress",
        met={
            "core.kinds.lookup:Parts": ("get", "all"),
            "core.plugins.registry:Registry": ("get", "all"),
            "core.kinds.tracker:Trackers": ("scalars", "image", "close"),
        },
    ),
    "options": Page(
        "Options and ranges",
        "A stage or part declares its options as a dataclass; each field has a default. Describe each option in the "
        "section `Attributes:` of the docstring: `--help` prints it. Supported types are `int`, `float`, `bool`, "
        "`str`, `Enum`, these with `| None`, `list` and `dict` of them, nested dataclasses, and `Any`. Values are "
        "checked and converted to these types, e.g. a string becomes the member of the enumeration with this name. "
        "Use the name of each member also as its value, since messages and `--help` show the values. The functions "
        "below return a `dataclasses.field` with further properties of an option; the value of a plain field is part "
        "of the store key.",
        "shared chosen presentation place fingerprinted NoOptions FamilyOptions family_options",
        module="hookline.ranges",
        met={"core.storage.serial:DataclassInstance": ()},
    ),
    "errors": Page(
        "Errors and codes",
        "Raise a `HooklineError` for an error that the user can fix. Functions such as `check` and `check_options` "
        "yield errors instead, so that the plan reports all of them at once.",
        "HooklineError UnavailableError PlanError shown unknown",
        end=CODES,
    ),
    "models": Page(
        "Models, input contract and heads",
        "Facts of a model, and the protocols of a model family (hook [`hookline_models`](../hooks/models.md)). The "
        "formulas are in [contracts](../contracts.md).",
        (
            "ModelFacts Preprocessing InputContract ModelFamily ModelBackend Release Head PixelHead DeviceDecode "
            "Candidates batch_axis DecodedHead DECODED NUM BOXES SCORES CLASSES OnnxSignature ModelMetadata "
            "parse_names parse_stride read_onnx"
        ),
        met={"core.kinds.head:Shape": ()},
    ),
    "runtimes": Page(
        "Runtimes, builds and sessions",
        "A `Runtime` (hook [`hookline_runtimes`](../hooks/runtimes.md)) builds engines and opens them as sessions.",
        (
            "Runtime Availability RuntimeBackend BuildRequest BuildJob Span BuildReporter CalibrationInput "
            "CalibrationFeed check_engine_file Session ReportingSession CheckingSession DeviceSession DeviceArray "
            "RecordingRuntime ActivationRecorder"
        ),
    ),
    "quantisation": Page(
        "Calibration, quantisation and grafts",
        "Calibrators find ranges, quantizers convert a model to another precision by the rules of a runtime, and "
        "grafts append the decode step (hooks [`hookline_calibrators`](../hooks/calibrators.md), "
        "[`hookline_quantizers`](../hooks/quantizers.md), [`hookline_grafts`](../hooks/grafts.md)). A graph with Q/DQ "
        "pairs has the opset of the exported model, `export.opset` (default 17).",
        (
            "Calibrator RangeObserver TensorRange Ranges Quantizer QuantizerBackend QuantizeJob QdqStyle Graft "
            "CustomOperators GraftBackend"
        ),
    ),
    "boxes": Page(
        "Processors, boxes and filters",
        "A processor turns images into network input, and raw outputs into boxes "
        "(hook [`hookline_processors`](../hooks/processors.md)).",
        "Processor ProcessorBackend for_session DeviceProcessor PlacedProcessor Letterbox Filter Detections",
    ),
    "training": Page(
        "Training and trackers",
        "The interface between the stage `train` and the trainer of a model family, and experiment trackers "
        "(hook [`hookline_trackers`](../hooks/trackers.md)).",
        (
            "TrainingJob TrainingImage TrainingWatcher EpochScores EpochResult Trained Tracker TrackerBackend "
            "PlacedTracker RunInfo"
        ),
        module="hookline.training",
    ),
    "lifecycle": Page(
        "Plan, steps and summary",
        "The arguments of lifecycle hooks: [`before_run`](../hooks/before_run.md), "
        "[`before_stage`](../hooks/before_stage.md), [`after_stage`](../hooks/after_stage.md), "
        "[`stage_failed`](../hooks/stage_failed.md), [`after_run`](../hooks/after_run.md). They observe the "
        "run; an exception in a hook is a warning.",
        "hookimpl Plan Step Summary StageRecord",
    ),
    "checks": Page(
        "Checks and findings",
        "A `Check` (hook [`hookline_checks`](../hooks/checks.md)) is part of `+stage=doctor`.",
        "Check",
        module="hookline.checks",
    ),
    "testing": Page(
        "Testing",
        "Helpers for tests of plugins, in `hookline.testing`; pytest is not required. [The guide](index.md) and "
        "[from Python](../python.md) contain complete test files. If a test calls the function of a stage directly, "
        "pass every option that follows a top-level option (`shared`): without a run, its default is a placeholder, "
        "e.g. the text `${conf}`.",
        module="hookline.testing",
    ),
    "sources": Page(
        "Sources",
        "Reading the images and videos of `source=` ([sources](../sources.md)). A stage passes `warn=context.warn`, "
        'and its options follow the top-level ones: `source: Any = shared("source", place=True)`, `max_pixels: int = '
        'shared("max_pixels")`. Return `list_source(config.source).digest(context.cache_dir)` from '
        "`Stage.fingerprint`, so that the key of the stage depends on the content of the files.",
        "frames Frame list_source Source SourceKind frame_count",
    ),
    "scripts": Page(
        "Scripts and notebooks",
        "[From Python](../python.md) explains how to use them.",
        "open Model NamedDetections read_image build run RunResult sample __version__",
    ),
}
