"""Which parts work on this machine and on the device of the run; which of them opens a model."""
