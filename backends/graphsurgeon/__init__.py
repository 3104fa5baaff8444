"""ONNX graph surgery: the decode grafts and explicit quantisation."""
