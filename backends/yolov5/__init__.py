"""YOLOv5: the network, safe reading of checkpoints, export. Plain PyTorch, but for ``plugin`` and ``backend``."""
