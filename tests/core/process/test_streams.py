"""Standard streams raise no errors, and an unusable environment is reported in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = "import sys; from core.process.streams import open_streams; open_streams(); "


def shell(script: str, tmp_path: Path, repo_root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a bash script in which ``$python`` runs code that begins with ``HEAD``."""
    settings = os.environ | {
        "PYTHONPATH": str(repo_root),
        "python": sys.executable,
        "HOOKLINE_HOME": str(tmp_path / "home"),
    }
    given = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(given, cwd=tmp_path, env=settings | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["core.run --help", "core.plugins", "core.plugins --json", "core.run --cfg job"])
def test_a_closed_pipe_is_no_error(tmp_path: Path, repo_root: Path, module: str) -> None:
    result = shell(f"$python -m {module} | head -1", tmp_path, repo_root)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1


def test_work_continues_without_a_reader(tmp_path: Path, repo_root: Path) -> None:
    code = f"{HEAD}[print('x' * 5000, file=s) for s in (sys.stdout, sys.stderr) for _ in range(99)]; open('done', 'w')"
    for pipe in (f'$python -c "{code}" | true', f'$python -c "{code}" 2>&1 >/dev/null | true'):
        assert "Traceback" not in shell(pipe, tmp_path, repo_root).stderr
        (tmp_path / "done").unlink()


def test_a_full_disk_is_reported_on_standard_error(tmp_path: Path, repo_root: Path) -> None:
    result = shell(f"$python -c \"{HEAD}print(1); print(2); open('done', 'w')\" > /dev/full", tmp_path, repo_root)
    assert result.stderr == "warning: cannot write to standard output (No space left on device)\n"
    assert (tmp_path / "done").exists()


def test_closed_descriptors_are_not_given_to_files(tmp_path: Path, repo_root: Path) -> None:
    code = f"{HEAD}print(1); print(2, file=sys.stderr); open('fd', 'w').write(str(open('x', 'w').fileno()))"
    assert shell(f'$python -c "{code}" <&- >&- 2>&-', tmp_path, repo_root).returncode == 0
    assert int((tmp_path / "fd").read_text()) > 2
    assert (tmp_path / "x").read_text() == ""


def test_what_cannot_be_encoded_is_escaped(tmp_path: Path, repo_root: Path) -> None:
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    result = shell(f'$python -c "{HEAD}print(chr(0x732b), chr(0xdcff), flush=True)"', tmp_path, repo_root, **odd)
    assert result.stdout == "\\u732b \\udcff\n"


def test_both_streams_mask_passwords(tmp_path: Path, repo_root: Path) -> None:
    code = f"{HEAD}print('http://u:pw@h'); print('http://u:pw@h', file=sys.stderr)"
    result = shell(f'$python -c "{code}"', tmp_path, repo_root)
    assert result.stdout == result.stderr == "http://u:***@h\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("mkdir x; cd x; rmdir ../x; $python -m core.run +stage=load", "cannot use the working directory"),
        ("mkdir 'a${b}'; cd 'a${b}'; $python -m core.run +stage=load", "has '${' in its path"),
        ("HOOKLINE_HOME='~nosuchuser' $python -m core.run +stage=load", "no user named 'nosuchuser'"),
        ("touch f; HOOKLINE_HOME=f $python -m core.run +stage=toy", "cannot write to the store '"),
        ("$python -m core.run +stage=predict source='~nosuchuser/x'", "no user named 'nosuchuser'"),
        ("$python -m core.run +stage=load weights='~nosuchuser/x'", "no user named 'nosuchuser'"),
        ("$python -m core.run +stage=load store='~nosuchuser'", "no user named 'nosuchuser'"),
        ("$python -m core.run +stage=dataset data='~nosuchuser/x'", "no user named 'nosuchuser'"),
    ],
)
def test_an_unusable_environment_is_one_line(tmp_path: Path, repo_root: Path, script: str, message: str) -> None:
    result = shell(script, tmp_path, repo_root)
    assert result.returncode == 2, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in result.stderr


def test_a_relative_cache_folder_of_xdg_is_ignored(tmp_path: Path, repo_root: Path) -> None:
    code = "from core.process.environment import cache_home; print(cache_home())"
    for given in ("relative", "", "~nosuchuser"):
        settings = {"HOME": str(tmp_path), "XDG_CACHE_HOME": given, "HOOKLINE_HOME": ""}
        assert (
            shell(f'$python -c "{code}"', tmp_path, repo_root, **settings).stdout.strip()
            == f"{tmp_path}/.cache/hookline"
        )
