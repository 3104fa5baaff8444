"""Accuracy of a detector: pictures through a session, COCO's JSON forms, and the scores. Heavy below this file."""
