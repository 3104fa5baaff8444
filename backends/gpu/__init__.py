"""Pre- and post-processing on an NVIDIA GPU through CuPy."""
