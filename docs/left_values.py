"""The metrics of each stage in summary.json: :data:`VALUES`. A test compares them with those of a real run."""

from __future__ import annotations

from collections.abc import Mapping

_PHASES = ("read", "prepare", "inference", "detect")
_SPEED = {
    "frames": "Number of finished images or frames.",
    "resumed": "How many of them an interrupted run had finished before.",
    "boxes": "Number of boxes.",
    "seconds": "Wall time of this run.",
    "frames_per_second": "Without the resumed ones.",
    "share_outside_inference": "Fraction of the time outside inference, 0 to 1.",
    **{f"ms_{name}": f"Time of the phase `{name}` per frame; phases overlap." for name in
       ("decode", "prepare", "inference", "detect", "draw", "encode")},
    "unreadable": "Number of images that could not be read.",
    "damaged": "Number of damaged images.",
    "damaged_frames": "Number of damaged frames.",
    "dropped": "Live streams: number of frames that were not processed.",
    "total": "Number of frames in the source, if known.",
    "gaps": "Live streams: number of interruptions.",
}  # fmt: skip

VALUES: Mapping[str, Mapping[str, str]] = {
    "train": {
        "epochs": "Number of finished epochs.",
        "best_epoch": "From 1.",
        "ended": "`epochs`, `patience`, `time` or `interrupted`.",
        "fitness": "Fitness of the best weights.",
        "map50": "mAP50 of the best weights on the validation split.",
        "map50_95": "The same.",
        "precision": "The same.",
        "recall": "The same.",
        "classes": "Metrics by class.",
        "train/*": "Losses of the best epoch by name.",
        "val/*": "The same, on the validation split.",
    },
    "predict": _SPEED,
    "evaluate": {
        "map50_95": "mAP50-95 as defined by COCO; also `map50`, `map75`, and `map_small`, `map_medium`, `map_large` if "
        "the split has objects of these sizes.",
        "map*": "See `map50_95`.",
        "ar*": "Average recall as defined by COCO.",
        "precision": "At IoU 0.5 and `confidence`.",
        "recall": "The same.",
        "confidence": "Confidence threshold with the best mean F1.",
        "pictures": "Number of images.",
        "instances": "Number of labelled objects.",
        "ignore_regions": "Number of ignore regions, if there are any.",
        "ignored_boxes": "Number of boxes inside them with a score of at least `confidence`.",
        **{f"{name}_ms": f"Time of the phase `{name}` per image." for name in _PHASES},
        "seconds": "Wall time.",
        "lost_by_*": "Loss of mAP by the decode step of an engine ([evaluation](../evaluation.md)).",
    },
    "compare": {
        "median_ms": "Latency of the engine; also `p95_ms`.",
        "p95_ms": "See `median_ms`.",
        "reference_median_ms": "Latency of the reference.",
        "reference_p95_ms": "The same.",
        "latency_ratio": "Latency of the engine / latency of the reference, in paired inferences.",
        "inferences": "Number of timed inferences of each model.",
        "f1": "Agreement of the boxes, 0 to 1.",
        "boxes": "Number of boxes of the engine.",
        "reference_boxes": "Number of boxes of the reference.",
        "matched": "Number of boxes that both models found.",
        "only_here": "Number of boxes that only the engine found.",
        "only_reference": "Number of boxes that only the reference found.",
        "mean_*": "`mean_iou` and `mean_score_difference` of the matched boxes, if there are any.",
        "pictures": "Number of images.",
    },
    "doctor": {name: f"Number of findings in the state `{name}`." for name in ("ok", "warning", "error", "absent")},
}
"""Entries of ``metrics.<stage>`` in summary.json: ``values`` of the artifact of the stage."""
