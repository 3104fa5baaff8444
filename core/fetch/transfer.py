"""Download of one URL with a limit on its total time.

The timeout of a socket applies to each read, so a server that sends a byte now and then can keep a download, or its
headers, alive for days. A thread therefore reads the response; the caller abandons it when the time is up.
"""

from __future__ import annotations

import queue
import threading
import time
import urllib.request
from collections.abc import Iterator

STALL_SECONDS = 15.0
"""Timeout of one read in seconds; then the server counts as unreachable."""
BASE_SECONDS = 60.0
"""Seconds that every download may take, in addition to its size at ``MIN_RATE``."""
MIN_RATE = 20_000
"""Minimum average rate in bytes per second: 4 minutes for 4 MB, 2.5 hours for 174 MB."""
CHUNK = 1 << 18
DEPTH = 8
"""Maximum number of chunks that are read ahead."""
_POLL_SECONDS = 0.2


class SlowError(OSError):
    """The download exceeded its time limit."""


def seconds_for(size: int) -> float:
    """Return the maximum time of a download of ``size`` bytes in seconds."""
    return BASE_SECONDS + size / MIN_RATE


def read_address(url: str, size: int) -> Iterator[bytes]:
    """Yield the content of ``url`` in chunks, at most one chunk more than ``size`` bytes.

    At most 10 redirects are followed, to http, https and ftp only.

    Raises:
        SlowError: The download takes longer than :func:`seconds_for`.
        OSError, http.client.HTTPException, ValueError: The URL cannot be read.
    """
    limit = seconds_for(size)
    reader = _AddressReader(url)
    reader.start()
    received, deadline = 0, time.monotonic() + limit
    try:
        while received <= size:
            chunk = reader.next(deadline - time.monotonic())
            if chunk is None:
                raise SlowError(f"too slow: {received:,} of {size:,} bytes in {limit:.0f} s")
            if not chunk:
                return
            received += len(chunk)
            yield chunk
    finally:
        reader.stop()


class _AddressReader(threading.Thread):
    """Reads a URL into a bounded queue. A daemon thread: a read that never returns does not keep the process alive."""

    def __init__(self, url: str) -> None:
        super().__init__(name="download", daemon=True)
        self._url = url
        self._chunks: queue.Queue[bytes | Exception] = queue.Queue(DEPTH)
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            with urllib.request.urlopen(self._url, timeout=STALL_SECONDS) as response:  # noqa: S310 - pinned in code
                while chunk := response.read1(CHUNK):
                    if not self._put(chunk):
                        return
            self._put(b"")
        except Exception as error:  # not handled here: next() raises it unchanged in the caller's thread
            self._put(error)

    def next(self, seconds: float) -> bytes | None:
        """Return the next chunk, empty at the end; None if it does not arrive in time."""
        try:
            found = self._chunks.get(timeout=seconds) if seconds > 0 else None
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def stop(self) -> None:
        """Let the thread end after its current read."""
        self._stopped.set()

    def _put(self, item: bytes | Exception) -> bool:
        """Queue an item; return False once the reader is stopped."""
        while not self._stopped.is_set():
            try:
                self._chunks.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
