"""Stored results: digests, JSON, sidecars, metadata, the store, incomplete results."""
