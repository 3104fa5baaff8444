"""The steps of a chain of hookline, one package each; they know ``core`` only."""
