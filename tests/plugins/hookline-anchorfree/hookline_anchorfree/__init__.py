"""An anchor-free detector as a third party would add it: network, training, checkpoints, ONNX and graft of its own."""
