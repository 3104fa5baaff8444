"""CUDA kernels and TensorRT plugins of hookline, and the NumPy twins that state what they compute."""
