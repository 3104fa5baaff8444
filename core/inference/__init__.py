"""Open models and run images through them: the pipeline of all stages, and the images of a calibration."""
