"""Helpers of the tests: runs of the program, data sets, models, plugins, fake devices."""
