"""Pictures, video and streams: what a source is, and how its frames are read."""
