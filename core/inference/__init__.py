"""Images through a model: batches, calibration, warm-up."""
