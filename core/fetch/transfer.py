"""Reads what an address gives, with a limit on the time of the whole.

A timeout of a socket is one for each of its reads: a server that sends a byte now and then keeps a download, or the
headers before it, alive for days. The reading therefore runs in a thread that is left behind when time is up.
"""

from __future__ import annotations

import queue
import threading
import time
import urllib.request
from collections.abc import Iterator

STALL_SECONDS = 15.0
"""Seconds without a byte after which an address counts as out of reach."""
BASE_SECONDS = 60.0
"""Seconds for a download of any size ..."""
SLOWEST_RATE = 20_000
"""... and bytes per second that it must reach on average beyond them: 4 minutes for 4 MB, 2.5 hours for 174 MB."""
CHUNK = 1 << 18
DEPTH = 8
"""Chunks that are read ahead."""
_POLL_SECONDS = 0.2


class SlowError(OSError):
    """The whole was not there in time."""


def seconds_for(size: int) -> float:
    """Return how long a download of ``size`` bytes may take."""
    return BASE_SECONDS + size / SLOWEST_RATE


def read_address(url: str, size: int) -> Iterator[bytes]:
    """Yield what ``url`` gives, at most one chunk more than ``size`` bytes.

    Redirects are followed, at most 10 of them and to http, https and ftp only.

    Raises:
        SlowError: It takes longer than :func:`seconds_for`.
        OSError, http.client.HTTPException, ValueError: The address cannot be read.
    """
    limit = seconds_for(size)
    reader = _AddressReader(url)
    reader.start()
    received, deadline = 0, time.monotonic() + limit
    try:
        while received <= size:
            chunk = reader.next(deadline - time.monotonic())
            if chunk is None:
                raise SlowError(f"{received:,} of {size:,} bytes in {limit:.0f} s, which is too slow")
            if not chunk:
                return
            received += len(chunk)
            yield chunk
    finally:
        reader.stop()


class _AddressReader(threading.Thread):
    """Reads an address into a short queue. It ends with the process if a read never returns."""

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
        except Exception as error:  # not handled: next() raises it unchanged in the thread that waits
            self._put(error)

    def next(self, seconds: float) -> bytes | None:
        """Return the next chunk, empty at the end; None where it does not come in time."""
        try:
            found = self._chunks.get(timeout=seconds) if seconds > 0 else None
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def stop(self) -> None:
        """Let the thread end after the read that it is in."""
        self._stopped.set()

    def _put(self, item: bytes | Exception) -> bool:
        """Queue an item; False where nobody takes it any more."""
        while not self._stopped.is_set():
            try:
                self._chunks.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
