"""Pictures for training: reading, augmentation, batches."""
