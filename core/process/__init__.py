"""The process: signals, standard streams, cores, memory, ranks."""
