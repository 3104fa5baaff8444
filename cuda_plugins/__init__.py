"""CUDA kernels and TensorRT plugins of hookline, each with a NumPy twin that defines its results."""
