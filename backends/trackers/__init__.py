"""Experiment trackers: a CSV file, TensorBoard, Weights & Biases."""
