"""A runtime and a quantizer from outside: it imports only the package hookline."""
