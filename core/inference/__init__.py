"""Run images through a model: the pipeline of all stages, and the images of a calibration."""
