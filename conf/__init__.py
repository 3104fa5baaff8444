"""The YAML of hookline, on Hydra's search path as ``pkg://conf``."""
