"""Downloads of files with a known SHA-256."""
