"""The version of hookline, also read by the build of the package."""

__version__ = "0.1.0"
"""The version of hookline."""
