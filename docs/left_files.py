"""The files that each stage writes: :data:`STAGES`. A test compares them with the files of a real run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from author_pages import fields_of

from core.calibration import Ranges
from stages.train.figures import Figures


@dataclass(frozen=True)
class LeftFile:
    """A file, or several files of the same form.

    Attributes:
        name: Path in the folder of the stage; ``*`` matches any text.
        text: Description.
        keys: Keys of the JSON object, or of each object in a JSON list: a dataclass, or descriptions by key.
        listed: The file is a list of such objects.
        sometimes: The file is not always written; the description states when.
        optional: Keys that are not always present; their descriptions state when.
    """

    name: str
    text: str
    keys: type | Mapping[str, str] = field(default_factory=dict)
    listed: bool = False
    sometimes: bool = False
    optional: frozenset[str] = frozenset()

    def described(self) -> dict[str, str]:
        """Return the description of each key."""
        if isinstance(self.keys, type):
            return {name: text for name, _, _, text in fields_of(self.keys)}
        return dict(self.keys)


def _chart(name: str, text: str) -> LeftFile:
    return LeftFile(name, text, sometimes=True)


_DATASET = {
    "data": "The data.yaml.",
    "digest": "As in the artifact.",
    "names": "Class names.",
    "splits": "By split, a list of pairs: image, and label file or null.",
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
        LeftFile(
            "*.safetensors",
            "The weights, if they were converted. The metadata entry `hookline` is JSON with the facts.",
        ),
    ),
    "dataset": (
        LeftFile("dataset.json", "The images and labels of each split.", _DATASET),
        LeftFile(
            "report.json",
            "The audit; the keys of its entries are in [data sets](../dataset.md).",
            {
                "data": "The data.yaml.",
                "names": "Class names.",
                "splits": "Statistics by split.",
                "classes": "Statistics by class.",
                "counts": "Number of findings by severity and by kind.",
                "left_out": "Images with an error, by split.",
                "findings": "`kind`, `severity`, `split`, `file`, `line`, `message` of each.",
            },
        ),
        _chart("report.html", "The report as an HTML page; with `dataset.report=true`."),
        _chart("*.png", "`class_balance`, `box_shapes`, `box_centres`; with `dataset.report=true`."),
        _chart("samples_*.jpg", "Sample images by split; with `dataset.report=true`."),
    ),
    "toy": (
        LeftFile("data.yaml", "The generated data set."),
        LeftFile("dataset.json", "The images and labels of each split.", _DATASET),
        LeftFile("images/*/*.jpg", "Images by split."),
        LeftFile("labels/*/*.txt", "Labels by split: one line `class cx cy w h` per object."),
    ),
    "convert": (
        LeftFile("data.yaml", "The converted data set."),
        LeftFile("dataset.json", "The images and labels of each split.", _DATASET),
        LeftFile("images/*/*", "Images by split, copied or linked."),
        LeftFile("labels/*/*.txt", "Labels by split: one line `class cx cy w h` per object."),
    ),
    "frames": (
        LeftFile("pictures.txt", "The images, one path per line, relative to the folder; a value for `source=`."),
        LeftFile("images/*.jpg", "The frames."),
    ),
    "train": (
        LeftFile("best.safetensors", "Weights of the best epoch."),
        LeftFile("last.safetensors", "Weights of the last epoch."),
        LeftFile("training.json", "Metrics, updated after each epoch.", Figures),
        LeftFile("results.csv", "One row per epoch, from the tracker `csv`.", sometimes=True),
        _chart("*.png", "`results`, curves, confusion matrix, label statistics; with `train.plots=true`."),
        _chart("*.jpg", "`train_batch` (an augmented batch with its labels), `val_predictions_*`."),
        LeftFile(
            ".state.pt", "State of an unfinished training run, for `resume=true`; removed at the end.", sometimes=True
        ),
    ),
    "export": (
        LeftFile("*.onnx", "Float32 graph. Metadata: `hookline` (JSON: facts, contract, layout), `names`, `stride`."),
    ),
    "calibrate": (
        LeftFile(
            "calibration.json",
            "The calibration table; read it with [`Ranges`](quantisation.md#ranges). Each entry of `tensors` has the "
            "fields of [`TensorRange`](quantisation.md#tensorrange).",
            Ranges,
        ),
        LeftFile(
            "calibration.cache",
            "The table as a TensorRT calibration cache: a header `hookline-<method> model=<sha256>`, then one line "
            "`<tensor>: <scale>` per tensor. The scale is amax / 127, as 8 hexadecimal digits of a big-endian float32. "
            "A value for `calibrate.cache=`.",
        ),
    ),
    "quantize": (LeftFile("*.onnx", "The quantised model: `<model>-<precision>.onnx`. Metadata as for export."),),
    "graft": (LeftFile("*-decoded.onnx", "The model with decode. Metadata as for export."),),
    "build": (
        LeftFile(
            "*.onnx",
            "The engine: `<model>-<precision>` and the `engine_suffix` of the runtime: `.onnx` for ONNX Runtime, "
            "`.engine` for TensorRT.",
        ),
    ),
    "predict": (
        LeftFile(
            "predictions.json", "Detections in the format of COCO results, one entry per box.", _RESULTS, listed=True
        ),
        LeftFile(
            "images.json",
            "One entry per image or frame, including those without boxes.",
            {
                "id": "The number in the file name if all file names are numbers; otherwise the position, from 1.",
                "file_name": "Path relative to the deepest common folder of the source; for videos `<name>#<frame>`, "
                "with frames from 0.",
                "width": "Pixels.",
                "height": "Pixels.",
                "boxes": "Number of boxes.",
                "seconds": "Videos and streams: time of the frame in seconds.",
                "damaged": "Damaged images: the damage.",
            },
            listed=True,
            optional=frozenset({"seconds", "damaged"}),
        ),
        LeftFile(
            "predictions.csv",
            "One row per box, with `predict.save_csv=true`: "
            "`file,frame,seconds,class_id,class,score,x1,y1,x2,y2,width,height`.",
            sometimes=True,
        ),
        LeftFile(
            "labels/*.txt",
            "With `predict.save_txt=true`: `class cx cy w h score` per line, boxes as fractions of the image size.",
            sometimes=True,
        ),
        LeftFile(
            "*.jpg", "Annotated images with the file names of the source; with `predict.draw=true`.", sometimes=True
        ),
        LeftFile("*.mp4", "Annotated videos; with `predict.draw=true`.", sometimes=True),
        LeftFile(
            "stream.json",
            "Record of a live stream.",
            {
                "source": "The URL, with passwords masked.",
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
            "All metrics.",
            {
                "model": _MODEL,
                "data": "`digest` and `split` of the data set.",
                "protocol": "The settings of the evaluation: [`Filter`](boxes.md#filter), size, batch, processor, ...",
                "values": "The metrics in `summary.json`.",
                "all": "`name`, `images`, `instances`, `precision`, `recall`, `map50`, `map50_95` of all classes.",
                "classes": "The same, by class.",
                "classes_without_objects": "Number of classes without objects in the split.",
                "decode_cost": "Loss of mAP by the decode step of the model; null if not measured.",
                "unreadable": "Images that could not be read, with the reason.",
                "damaged": "Damaged images that were used, with the damage.",
                "notes": "Remarks, as in the artifact.",
            },
        ),
        LeftFile(
            "predictions.json", "Detections in the format of COCO results, one entry per box.", _RESULTS, listed=True
        ),
        LeftFile(
            "ground_truth.json",
            "COCO annotations of the split.",
            {
                "images": "`id`, `file_name`, `height`, `width` of each.",
                "categories": "`id` and `name` of each class.",
                "annotations": "`id`, `image_id`, `category_id`, `bbox`, `area`, `iscrowd` (1: ignore region).",
            },
        ),
        LeftFile(
            "suspects.json",
            "The images with labels that the model contradicts ([rules](../evaluation.md#suspects)); with "
            "`evaluate.suspects`.",
            {
                "limit": "Value of `evaluate.suspects`.",
                "total": "Number of images with contradictions.",
                "confidence": "Confidence threshold with the best mean F1.",
                "images": "Worst first: `image` (as in ground_truth.json), `measure`, and `contradictions`, each "
                "with `kind`, `weight`, `reason`, `label` and `detection` (`class` and `bbox`, or null), and `score`.",
            },
            sometimes=True,
        ),
        _chart("suspects.txt", "Absolute paths of these images, one per line, for `source=`."),
        _chart("suspects.html", "The same images with labels, detections and reasons."),
        _chart("suspects/*.jpg", "The images of the page."),
        _chart("*.png", "Curves and confusion matrix; with `evaluate.plots=true`."),
        _chart("val_predictions_*.jpg", "Labels on the left, predictions on the right; with `evaluate.plots=true`."),
    ),
    "compare": (
        LeftFile(
            "comparison.json",
            "All metrics.",
            {
                "engine": _MODEL,
                "reference": _MODEL,
                "source": "`digest` of the images.",
                "conf": "Confidence threshold.",
                "iou": "IoU threshold of NMS.",
                "values": "The metrics in `summary.json`.",
                "notes": "Remarks, as in the artifact.",
            },
        ),
    ),
    "doctor": (
        LeftFile(
            "report.json",
            "All findings.",
            {
                "asked": "The fields of [`Target`](checks.md#target).",
                "counts": "Number of findings by state.",
                "findings": "For each finding, `check` and the fields of [`Finding`](checks.md#finding).",
                "machine": "As in summary.json.",
                "versions": "As in summary.json.",
            },
        ),
        LeftFile("report.txt", "The table that was printed."),
    ),
}
"""Files in the folder of each stage, without the sidecar ``<file>.json`` of a stored artifact."""
