"""The version of hookline, also read by the build of the package."""

__version__ = "0.2.0"
"""The version of hookline."""
