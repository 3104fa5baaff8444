"""The process: signals, standard streams, CPU cores, memory, ranks, installed packages."""
