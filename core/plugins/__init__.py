"""Discovery, loading, trial and containment of plugins; the registry."""
