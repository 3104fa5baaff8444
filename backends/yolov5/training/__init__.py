"""Training of YOLOv5 in plain PyTorch: assignment, loss, optimizer, schedule, loop, trainer."""
