"""What the parts ship: model families, calibrators, grafts, runtimes and processors."""
