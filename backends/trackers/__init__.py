"""Recorders of trainings: a CSV file, TensorBoard, Weights & Biases."""
