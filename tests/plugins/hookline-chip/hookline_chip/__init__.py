"""A runtime and a quantizer from outside: it imports the package hookline and nothing else of ours."""
