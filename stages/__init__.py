"""The stages of hookline, one package each; they import ``core`` only."""
