"""The steps of a chain, one package each; they know ``core`` only."""
