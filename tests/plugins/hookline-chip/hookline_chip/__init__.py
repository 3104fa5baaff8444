"""A runtime and a quantizer from outside: nothing of hookline is imported but its public modules."""
