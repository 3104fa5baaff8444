"""A third-party package as a user would write one: a stage, its YAML preset, and a calibrator."""
