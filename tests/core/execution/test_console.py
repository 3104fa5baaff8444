"""Output with and without a terminal."""

from __future__ import annotations

import io

import pytest

from core.execution import console as module
from core.execution.console import Console


class Terminal(io.StringIO):
    """A stream that reports to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_plain_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLAIN_INTERVAL", 0.0)
    stream = io.StringIO()
    with Console(stream).progress("export", total=2, unit="layers") as progress:
        progress.advance(note="first")
        progress.advance()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("  export: 1/2, ")
    assert lines[0].endswith("layers/s, first")
    assert lines[-1].startswith("  export: 2/2")
    assert "\x1b" not in stream.getvalue()


def test_plain_progress_prints_nothing_between_intervals() -> None:
    stream = io.StringIO()
    with Console(stream).progress("export", total=1000, unit="layers") as progress:
        for _ in range(1000):
            progress.advance()
    assert len(stream.getvalue().splitlines()) == 1


def test_progress_on_a_terminal_is_drawn_by_rich(capsys: pytest.CaptureFixture[str]) -> None:
    with Console(Terminal()).progress("export", total=2, unit="layers") as progress:
        progress.advance(2)
    assert "export" in capsys.readouterr().err


def test_warnings_are_coloured_on_a_terminal_and_recorded_once() -> None:
    stream = Terminal()
    console = Console(stream)
    console.warn("mind")
    console.warn("mind")
    assert console.warnings == ["mind"]
    assert "\x1b[33mwarning: mind" in stream.getvalue()


def test_colours_of_a_note_appear_on_terminals_only(caplog: pytest.LogCaptureFixture) -> None:
    plain, terminal = io.StringIO(), Terminal()
    module.log.addHandler(caplog.handler)
    for stream in (plain, terminal):
        with caplog.at_level("INFO", logger="hookline"):
            Console(stream).note("\x1b[1;32mgood\x1b[0m")
    assert plain.getvalue() == "good\n"
    assert terminal.getvalue() == "\x1b[1;32mgood\x1b[0m\n"
    module.log.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"good"}
