"""The runtime ``tensorrt``: engines for NVIDIA GPUs, built and opened by TensorRT 10 or 11."""
