"""The command line and the composed configuration, typed."""
