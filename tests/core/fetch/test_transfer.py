"""A download from a slow, endless or wrong server ends in bounded time."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.fetch import transfer
from core.fetch.download import fetch
from core.fetch.transfer import CHUNK, SlowError, read_address, seconds_for
from tests.core.fetch.test_download import CONTENT, release
from tests.support.stage_tools import Memory

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 11000\r\n\r\n"


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Start a server that answers every connection with ``answer``; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(1 << 16)
                        answer(connection)
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/toy.pt"
        server.shutdown(socket.SHUT_RDWR)


def dripping(first: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(200):
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BASE_SECONDS", 0.5)
    monkeypatch.setattr(transfer, "MIN_RATE", 1e9)


def test_the_time_limit() -> None:
    assert seconds_for(0) == 60
    assert seconds_for(4_062_133) == pytest.approx(263, abs=1)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "answer",
    [dripping(HEAD, b"x"), dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), dripping(b"", b"H"), dripping(HEAD, b"")],
    ids=["body", "headers", "status", "silence"],
)
def test_a_byte_now_and_then_exceeds_the_time_limit(answer: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    with serving(answer) as url, pytest.raises((SlowError, http.client.HTTPException)):
        list(read_address(url, 11_000))
    assert time.monotonic() - started < 3


@pytest.mark.usefixtures("hasty")
def test_a_slow_download_is_reported_in_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    with serving(dripping(HEAD, b"x")) as url, pytest.raises(HooklineError) as caught:
        fetch("toy", release(url), tmp_path / "cache" / "toy.pt", Memory())
    assert "of 11,000 bytes in 1 s" in str(caught.value)
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [".toy.pt.lock"]


def test_an_endless_body_is_read_to_its_size_only() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(bytes(1 << 16))

    with serving(answer) as url:
        assert 1_000_000 < sum(map(len, read_address(url, 1_000_000))) <= 1_000_000 + CHUNK


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 999 " + b"x" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://\xff..a/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /toy.pt\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
    ],
)
def test_wrong_answers(tmp_path: Path, answer: bytes) -> None:
    with serving(lambda connection: connection.sendall(answer)) as url, pytest.raises(HooklineError) as caught:
        fetch("toy", release(url), tmp_path / "toy.pt", Memory())
    assert "cannot download toy" in str(caught.value)
    assert len(str(caught.value)) <= 1000
    assert not (tmp_path / "toy.pt").exists()


def test_a_redirect_is_followed(tmp_path: Path) -> None:
    def content(connection: socket.socket) -> None:
        connection.sendall(HEAD + CONTENT)

    with serving(content) as url:
        away = f"HTTP/1.1 302 Found\r\nLocation: {url}\r\n\r\n".encode()
        with serving(lambda connection: connection.sendall(away)) as first:
            assert fetch("toy", release(first), tmp_path / "toy.pt", Memory()).path.read_bytes() == CONTENT
