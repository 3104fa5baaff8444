"""Serialisation, digests, sidecars and the content-addressed store."""
