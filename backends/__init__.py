"""The parts of hookline: model families, calibrators, grafts, runtimes, processors, trackers and checks."""
