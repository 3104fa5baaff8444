"""On other systems than Linux every entry point prints one line and no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

# shutil of Python 3.12 imports a module of Windows where sys.platform says so.
PLATFORM = "import shutil, sys; sys.argv = ['hookline', '--help']; sys.platform = {!r}; "
COMMAND = PLATFORM + "import runpy; runpy.run_module('core.run', run_name='__main__')"
SCRIPT = PLATFORM + "from hookline.script import main; sys.exit(main())"


def run(code: str, system: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", code.format(system)]
    return subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("code", [COMMAND, SCRIPT], ids=["command", "script"])
@pytest.mark.parametrize(("system", "way"), [("win32", "on Windows use WSL 2"), ("darwin", "use a Linux machine")])
def test_one_line_says_what_to_use(code: str, system: str, way: str) -> None:
    result = run(code, system)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: hookline runs on Linux only")
    assert way in result.stderr


def test_linux_runs() -> None:
    result = run(COMMAND, "linux")
    assert result.returncode == 0, result.stderr
