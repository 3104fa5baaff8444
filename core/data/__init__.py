"""Data sets in YOLO layout: data.yaml, images, label files, class ids."""
