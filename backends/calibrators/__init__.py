"""Calibrators: methods that compute the ranges of activations from calibration images."""
