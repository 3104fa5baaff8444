"""Data sets in YOLO layout."""
