"""Training data: reading, augmentation, batches."""
