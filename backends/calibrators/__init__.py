"""Calibrators: how the ranges of activations are found from the values that pictures give."""
