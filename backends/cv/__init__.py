"""Pre- and post-processing on the CPU with OpenCV and NumPy."""
