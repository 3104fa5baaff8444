"""The page of the files that stages leave. A test compares :data:`STAGES` with the files of a real run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from author_pages import fields_of
from docstrings import cell

from core.calibration import Ranges
from core.execution.status import Advance, Status
from core.kinds.lifecycle import StageRecord, Summary
from core.kinds.stage import Stage
from core.plugins.registry import Registry
from core.storage.incomplete import IncompleteWork
from stages.train.figures import Figures


@dataclass(frozen=True)
class LeftFile:
    """One file, or several of one form.

    Attributes:
        name: In the stage's directory; ``*`` stands for any text.
        text: What it is.
        keys: Keys of the JSON object, or of each object of a JSON list: a dataclass, or key -> text.
        listed: The file is a list of such objects.
        sometimes: It is written only under conditions, which the text states.
        optional: Keys that are there only under conditions, which their texts state.
    """

    name: str
    text: str
    keys: type | Mapping[str, str] = field(default_factory=dict)
    listed: bool = False
    sometimes: bool = False
    optional: frozenset[str] = frozenset()

    def described(self) -> dict[str, str]:
        """Return key -> text."""
        if isinstance(self.keys, type):
            return {name: text for name, _, _, text in fields_of(self.keys)}
        return dict(self.keys)


def _chart(name: str, text: str) -> LeftFile:
    return LeftFile(name, text, sometimes=True)


RUN = (
    LeftFile(
        "summary.json",
        "The result of the run, for scripts. Written at the start, before each stage and at the end.",
        {name: text for name, _, _, text in fields_of(Summary) if name not in {"distributions", "written"}}
        | {
            "versions": "Versions of hookline, Python, the packages that it uses, and the distributions of the outside "
            "plugins that took part in the run, by name.",
            "machine": "`system`, `processor` and `cores`.",
        },
    ),
    LeftFile("status.json", "How far the run is, for monitors; replaced at most once per second.", Status),
    LeftFile("run.log", "Everything that the run printed, with times and levels, and tracebacks."),
    LeftFile(".hydra/*", "The configuration, as Hydra writes it. Not written by `hookline.run`.", sometimes=True),
    LeftFile(".hookline.lock", "Held while a run works in the directory."),
)
"""Files of the run itself."""

SIDECAR = {
    "artifact": "Name of the artifact's type, e.g. `Engine`.",
    "schema": "Version of the form.",
    "files": "SHA-256 of each file that was written with the artifact, by path relative to the folder.",
    "sidecar_sha256": "Digest of all other keys. A sidecar that was edited is refused.",
}
"""Keys of every sidecar, besides the fields of the artifact; ``path`` is the name of the file without its folder."""

_DATASET = {
    "data": "The data.yaml.",
    "digest": "As of the artifact.",
    "names": "Class names.",
    "splits": "Per split a list of pairs: image, label file or null.",
}
_RESULTS = {
    "image_id": "`id` in images.json or ground_truth.json.",
    "category_id": "Index of the class name, from 0.",
    "bbox": "x, y, width, height in pixels of the image.",
    "score": "0 to 1.",
}
_MODEL = "`title`, `type` and `sha256` of the model."

STAGES: Mapping[str, tuple[LeftFile, ...]] = {
    "load": (
        LeftFile("*.safetensors", "The weights, if they had to be converted. Metadata `hookline`: JSON of the facts."),
    ),
    "dataset": (
        LeftFile("dataset.json", "The images and labels of each split.", _DATASET),
        LeftFile(
            "report.json",
            "The audit; the keys of its entries are in [data sets](../dataset.md).",
            {
                "data": "The data.yaml.",
                "names": "Class names.",
                "splits": "Figures per split.",
                "classes": "Figures per class.",
                "counts": "Number of findings of each severity and of each kind.",
                "left_out": "Images with an error per split.",
                "findings": "`kind`, `severity`, `split`, `file`, `line`, `message` of each.",
            },
        ),
        _chart("report.html", "The report as a page; with `dataset.report=true`."),
        _chart("*.png", "`class_balance`, `box_shapes`, `box_centres`; with `dataset.report=true`."),
        _chart("samples_*.jpg", "Sample images per split; with `dataset.report=true`."),
    ),
    "toy": (
        LeftFile("data.yaml", "The data set that was drawn."),
        LeftFile("dataset.json", "The images and labels of each split.", _DATASET),
        LeftFile("images/*/*.jpg", "Images per split."),
        LeftFile("labels/*/*.txt", "Labels per split: `class cx cy w h` per line."),
    ),
    "convert": (
        LeftFile("data.yaml", "The converted data set."),
        LeftFile("dataset.json", "The images and labels of each split.", _DATASET),
        LeftFile("images/*/*", "Images per split, copied or linked."),
        LeftFile("labels/*/*.txt", "Labels per split: `class cx cy w h` per line."),
    ),
    "frames": (
        LeftFile("pictures.txt", "The images, one path per line, relative to the folder; `source=` takes it."),
        LeftFile("images/*.jpg", "The frames."),
    ),
    "train": (
        LeftFile("best.safetensors", "Weights of the best epoch."),
        LeftFile("last.safetensors", "Weights of the last epoch."),
        LeftFile("training.json", "Figures, written after each epoch.", Figures),
        LeftFile("results.csv", "One row per epoch, from the tracker `csv`.", sometimes=True),
        _chart("*.png", "`results`, curves, confusion matrix, label statistics; with `train.plots=true`."),
        _chart("*.jpg", "`train_batch` (a batch as the network sees it), `val_predictions_*`."),
        LeftFile(".state.pt", "What an interrupted training resumes from; removed at the end.", sometimes=True),
    ),
    "export": (
        LeftFile("*.onnx", "Float32 graph. Metadata: `hookline` (JSON: facts, contract, layout), `names`, `stride`."),
    ),
    "calibrate": (
        LeftFile(
            "calibration.json",
            "The table, read and written by [`Ranges`](quantisation.md#ranges). Each entry of `tensors` has the fields "
            "of [`TensorRange`](quantisation.md#tensorrange).",
            Ranges,
        ),
        LeftFile(
            "calibration.cache",
            "The same as text of TensorRT: a header `hookline-<method> model=<sha256>`, then a line "
            "`<tensor>: <scale>` each, the scale amax / 127 as 8 hexadecimal digits of a big-endian float32. "
            "`calibrate.cache=` takes it.",
        ),
    ),
    "quantize": (LeftFile("*.onnx", "The model in its precision: `<model>-<precision>.onnx`. Metadata as of export."),),
    "graft": (LeftFile("*-decoded.onnx", "The model that ends in boxes. Metadata as of export."),),
    "build": (
        LeftFile(
            "*.onnx",
            "The engine: `<model>-<precision>` and the runtime's `engine_suffix`, of ONNX Runtime `.onnx`, of TensorRT "
            "`.engine`.",
        ),
    ),
    "predict": (
        LeftFile("predictions.json", "COCO results, an entry per box.", _RESULTS, listed=True),
        LeftFile(
            "images.json",
            "An entry per image or frame, also those without boxes.",
            {
                "id": "The number that the file name is where all names are numbers, else the position, from 1.",
                "file_name": "Path below the deepest folder that holds all files of the source; of videos "
                "`<name>#<frame>`, frames from 0.",
                "width": "Pixels.",
                "height": "Pixels.",
                "boxes": "Number of boxes.",
                "seconds": "Videos and streams: time of the frame.",
                "damaged": "Damaged images: what is wrong.",
            },
            listed=True,
            optional=frozenset({"seconds", "damaged"}),
        ),
        LeftFile(
            "predictions.csv",
            "A row per box, with `predict.save_csv=true`: "
            "`file,frame,seconds,class_id,class,score,x1,y1,x2,y2,width,height`.",
            sometimes=True,
        ),
        LeftFile(
            "labels/*.txt",
            "With `predict.save_txt=true`: `class cx cy w h score` per line, boxes as shares of the image.",
            sometimes=True,
        ),
        LeftFile("*.jpg", "Annotated images, with the names in the source; with `predict.draw=true`.", sometimes=True),
        LeftFile("*.mp4", "Annotated videos; with `predict.draw=true`.", sometimes=True),
        LeftFile(
            "stream.json",
            "Live streams.",
            {
                "source": "The address, passwords masked.",
                "ended": "Why the stream ended.",
                "dropped": "Number of frames that were not processed.",
                "damaged_frames": "Number of damaged frames.",
                "gaps": "Interruptions: `after`, `began`, `ended`, `at`, `reason`, `attempts` ([runs](../runs.md)).",
            },
            sometimes=True,
        ),
    ),
    "evaluate": (
        LeftFile(
            "metrics.json",
            "All figures.",
            {
                "model": _MODEL,
                "data": "`digest` and `split` of the data set.",
                "protocol": "How it was measured: [`Filter`](boxes.md#filter), size, batch, processor, ...",
                "values": "The figures of `summary.json`.",
                "all": "`name`, `images`, `instances`, `precision`, `recall`, `map50`, `map50_95` of all classes.",
                "classes": "The same per class.",
                "classes_without_objects": "Number of classes that the split does not have.",
                "decode_cost": "What the decode of the model costs; null where it was not measured.",
                "unreadable": "Images that were left out, with the reason.",
                "damaged": "Damaged images that were used -> reason.",
                "notes": "Remarks, as of the artifact.",
            },
        ),
        LeftFile("predictions.json", "COCO results, an entry per box.", _RESULTS, listed=True),
        LeftFile(
            "ground_truth.json",
            "COCO annotations of the split.",
            {
                "images": "`id`, `file_name`, `height`, `width` of each.",
                "categories": "`id` and `name` of each class.",
                "annotations": "`id`, `image_id`, `category_id`, `bbox`, `area`, `iscrowd` of each.",
            },
        ),
        _chart("*.png", "Curves and confusion matrix; with `evaluate.plots=true`."),
        _chart("val_predictions_*.jpg", "Labels on the left, predictions on the right; with `evaluate.plots=true`."),
    ),
    "compare": (
        LeftFile(
            "comparison.json",
            "All figures.",
            {
                "engine": _MODEL,
                "reference": _MODEL,
                "source": "`digest` of the images.",
                "conf": "Minimum score.",
                "iou": "Of the NMS.",
                "values": "The figures of `summary.json`.",
                "notes": "Remarks, as of the artifact.",
            },
        ),
    ),
    "doctor": (
        LeftFile(
            "report.json",
            "All findings.",
            {
                "asked": "The fields of [`Target`](checks.md#target).",
                "counts": "Number of findings per state.",
                "findings": "`check`, and the fields of [`Finding`](checks.md#finding), of each.",
                "machine": "As in summary.json.",
                "versions": "As in summary.json.",
            },
        ),
        LeftFile("report.txt", "The table that was printed."),
    ),
}
"""Files in the directory of each stage, without the sidecar ``<file>.json`` of the main file of a stored artifact."""

_PHASES = ("read", "prepare", "inference", "detect")
_SPEED = {
    "frames": "Number of finished images or frames.",
    "resumed": "How many of them an interrupted run had finished.",
    "boxes": "Number of boxes.",
    "seconds": "Wall time of this run.",
    "frames_per_second": "Without those that were resumed.",
    "share_outside_inference": "Share of the time, 0 to 1.",
    **{f"ms_{name}": f"Time of the phase `{name}` per frame; phases overlap." for name in
       ("decode", "prepare", "inference", "detect", "draw", "encode")},
    "unreadable": "Number of images that could not be read.",
    "damaged": "Number of damaged images.",
    "damaged_frames": "Number of damaged frames.",
    "dropped": "Live streams: number of frames that were not processed.",
    "total": "Number of frames that the source has, where it is known.",
    "gaps": "Live streams: number of interruptions.",
}  # fmt: skip

VALUES: Mapping[str, Mapping[str, str]] = {
    "train": {
        "epochs": "Number of finished epochs.",
        "best_epoch": "From 1.",
        "ended": "`epochs`, `patience`, `time` or `interrupted`.",
        "fitness": "Of the best weights.",
        "map50": "Of the best weights on the validation split.",
        "map50_95": "The same.",
        "precision": "The same.",
        "recall": "The same.",
        "classes": "Figures per class.",
        "train/*": "Losses of the best epoch by name.",
        "val/*": "The same, on the validation split.",
    },
    "predict": _SPEED,
    "evaluate": {
        "map50_95": "COCO's mAP; also `map50`, `map75`, and `map_small`, `map_medium`, `map_large` where the split "
        "has such objects.",
        "map*": "See `map50_95`.",
        "ar*": "COCO's average recall.",
        "precision": "At IoU 0.5 and `confidence`.",
        "recall": "The same.",
        "confidence": "Where the mean F1 is best.",
        "pictures": "Number of images.",
        "instances": "Number of labelled objects.",
        **{f"{name}_ms": f"Time of the phase `{name}` per image." for name in _PHASES},
        "seconds": "Wall time.",
        "lost_by_*": "mAP that the decode of an engine costs ([evaluation](../evaluation.md)).",
    },
    "compare": {
        "median_ms": "Latency of the engine; also `p95_ms`.",
        "p95_ms": "See `median_ms`.",
        "reference_median_ms": "Latency of the reference.",
        "reference_p95_ms": "The same.",
        "latency_ratio": "Engine / reference, of paired inferences.",
        "inferences": "Number of timed inferences of each model.",
        "f1": "Agreement of the boxes, 0 to 1.",
        "boxes": "Number of boxes of the engine.",
        "reference_boxes": "Number of boxes of the reference.",
        "matched": "Number of boxes that both have.",
        "only_here": "Number of boxes of the engine alone.",
        "only_reference": "Number of boxes of the reference alone.",
        "mean_*": "`mean_iou` and `mean_score_difference` of matched boxes, where there are any.",
        "pictures": "Number of images.",
    },
    "doctor": {name: f"Number of findings in the state `{name}`." for name in ("ok", "warning", "error", "absent")},
}
"""What stands under ``metrics.<stage>`` in summary.json: ``values`` of the stage's artifact."""

INTRODUCTION = """# Files that stages leave

A run leaves a directory, `outputs/<day>/<time>/` or that of `hydra.run.dir=`. The result of a stage that was asked for
is in `<stage>/`, or in `<stage>-2/` if that exists. The result of a stored stage (`Stage.stored`) is in the store,
`<store>/<stage>/<key>/`, too, with the same files; results of stages that the plan added are in the store only.
[Runs](../runs.md) describes what interrupted runs leave.

JSON is UTF-8, without NaN and infinity. New keys may be added; what has changed is in CHANGELOG.md."""

SIDECARS = """## Sidecars: `<file>.json`

Next to the main file of each stored artifact, e.g. `yolov5s-int8.onnx.json`. It has the fields of the artifact
([artifacts](artifacts.md)); `path` is the name of the file, without its folder. Besides:"""


def files_page(registry: Registry) -> str:
    """Return the page."""
    sections = [INTRODUCTION, "## The run", *_described(RUN)]
    sections += ["An entry of `stages` in summary.json has the keys", _keys(LeftFile("", "", StageRecord))]
    sections += ["`progress` in status.json is null where nothing is counted, else", _keys(LeftFile("", "", Advance))]
    marker = _keys(LeftFile("", "", IncompleteWork)) + "\n| `reason` | Why the stage ended; empty while it runs. |"
    sections += [
        "### `<stage>/incomplete.json`\n\nMarks the results of an incremental stage until they are complete.",
        f"{marker}\n| `values` | Counts of what is finished. |",
        SIDECARS,
        _keys(LeftFile("", "", SIDECAR)),
    ]
    for stage in registry.all(Stage).values():
        kinds = " or ".join(f"`{kind.__name__}`" for kind in stage.signature.provides)
        place = "stored, with a sidecar" if stage.stored else "not stored: in the run's directory only"
        sections += [f"## {stage.name}", f"Gives {kinds}; {place}.", *_described(STAGES.get(stage.name, ()))]
        if values := VALUES.get(stage.name):
            sections += [f"`metrics.{stage.name}` in summary.json:", _table(values)]
    return "\n\n".join(sections) + "\n"


def _described(files: tuple[LeftFile, ...]) -> Iterator[str]:
    yield "\n".join(["| file | |", "| --- | --- |", *(f"| `{item.name}` | {cell(item.text)} |" for item in files)])
    for item in files:
        if item.keys:
            each = "Each entry of" if item.listed else "Keys of"
            yield f"{each} `{item.name}`:"
            yield _keys(item)


def _keys(item: LeftFile) -> str:
    return _table(item.described())


def _table(keys: Mapping[str, str]) -> str:
    return "\n".join(["| key | |", "| --- | --- |", *(f"| `{name}` | {text} |" for name, text in keys.items())])
