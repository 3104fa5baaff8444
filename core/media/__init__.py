"""Images, video and streams: list the files of a source and read its frames."""
