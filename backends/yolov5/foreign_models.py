"""What a checkpoint of another kind is, for the message that refuses it."""

from __future__ import annotations

WAY_ON = "hookline runs YOLOv5 detectors: train one with +stage=train data=<data.yaml> weights=yolov5s, or export one"
"""What to do with a model that is not a YOLOv5 detector."""

KINDS = {
    "Segmentation": "a segmentation model",
    "Classification": "a classifier",
    "Pose": "a pose model",
    "OBB": "a detector of rotated boxes",
    "RTDETRDetection": "an RT-DETR detector",
    "World": "a YOLO-World detector",
    "Detection": "an anchor-free detector (YOLOv5u, YOLOv8 or later)",
    "Ensemble": "an ensemble of models",
}
"""Class of the model in a checkpoint without ``Model`` -> its kind."""


def name_checkpoint(model_class: str) -> str:
    """Return what a checkpoint holds by the class of its model, e.g. ``ultralytics.nn.tasks.PoseModel``; else empty."""
    package, _, name = model_class.rpartition(".")
    kind = KINDS.get(name.removesuffix("Model"), "")
    if kind and package.startswith("ultralytics"):
        return f"{kind} of the package ultralytics"
    return f"{kind} of YOLOv5" if kind and name != "DetectionModel" else ""
