"""Checks of the machine itself, and how checks of backends look at packages and native libraries."""
