"""Accuracy of a detector: pictures through a session, COCO's JSON forms, and the scores. Heavy below this file."""

CONF, IOU, MAX_DET = 0.001, 0.6, 300
"""Of the published figures: least score of a box so that the whole curve is seen, NMS overlap, boxes a picture."""
