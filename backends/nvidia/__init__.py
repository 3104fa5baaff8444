"""Checks of NVIDIA's driver, CUDA and CuPy. No CUDA context is opened, no native library loaded here."""
