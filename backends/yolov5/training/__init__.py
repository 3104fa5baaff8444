"""Training of YOLOv5 as a plain PyTorch library: assignment, loss, optimiser, schedule, loop."""
