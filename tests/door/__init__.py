"""Tests of the package hookline: what plugins, scripts and notebooks import."""
