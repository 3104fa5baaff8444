"""Accuracy of a detector: inference on a split, COCO JSON, scores and charts. All modules below are heavy."""

CONF, IOU, MAX_DET = 0.001, 0.6, 300
"""Settings of the published figures: confidence threshold, NMS IoU threshold, and maximum boxes per image."""
