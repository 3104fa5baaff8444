"""What the parts of hookline ship: model families, calibrators, grafts, runtimes and processors."""
