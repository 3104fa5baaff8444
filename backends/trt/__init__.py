"""The runtime ``tensorrt``: so far, models written by TensorRT's rules."""
