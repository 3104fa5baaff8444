"""The runtime ``onnxruntime``: ONNX Runtime on the CPU."""
