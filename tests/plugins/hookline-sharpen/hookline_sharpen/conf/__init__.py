"""The YAML of hookline-sharpen."""
