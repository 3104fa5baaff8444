"""A camera on the loopback interface: MPEG-TS over TCP."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

CHUNK = 188 * 7
POLL_SECONDS = 0.2


class Sender:
    """Sends a file to every client at a constant rate until the block ends.

    Args:
        file: A recording in MPEG-TS.
        seconds: Duration of one transfer.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self._content, self._seconds = file.read_bytes(), seconds
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(POLL_SECONDS)
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> Sender:
        self._start(self._serve)
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._server.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                self._start(self._send, self._server.accept()[0])

    def _send(self, client: socket.socket) -> None:
        chunks = range(0, len(self._content), CHUNK)
        begin = time.monotonic()
        with client, suppress(OSError):  # the client was killed
            client.settimeout(POLL_SECONDS * 5)
            for number, start in enumerate(chunks, start=1):
                client.sendall(self._content[start : start + CHUNK])
                if self._ended.wait(max(0.0, begin + number * self._seconds / len(chunks) - time.monotonic())):
                    return
