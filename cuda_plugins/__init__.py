"""CUDA kernels and TensorRT plugins, each with a NumPy twin that defines its results."""
