"""CUDA kernels, TensorRT plugins and the NumPy twins that state what they compute."""
