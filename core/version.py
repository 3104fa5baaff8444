"""The version of hookline, read by the packaging too."""

__version__ = "0.1.0"
"""The version of hookline, as text."""
