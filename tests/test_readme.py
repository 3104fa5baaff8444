"""The plugin in the README works, and its links exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def readme(repo_root: Path) -> str:
    """The text."""
    return (repo_root / "README.md").read_text()


def test_plugin_of_the_readme_loads(readme: str, repo_root: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(# mine\.py.*?)```", readme, re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    settings = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(repo_root)]),
        "HOOKLINE_PLUGINS": "mine",
    }
    line = [sys.executable, "-m", "core.plugins", "--json"]
    result = subprocess.run(line, env=settings, capture_output=True, text=True, check=False)
    info = next(info for info in json.loads(result.stdout) if info["name"] == "mine")
    assert (info["state"], info["provides"]) == ("loaded", ["stages: blur"]), info


def test_commands_of_the_readme_compose(readme: str, repo_root: Path) -> None:
    commands = re.findall(r"^python -m core\.run (\+stage=[^#\n]+)", readme, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        line = [sys.executable, "-m", "core.run", *command.split(), "--cfg", "job"]
        result = subprocess.run(line, cwd=repo_root, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}: {result.stderr}"


def test_links_lead_somewhere(readme: str, repo_root: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in link]
    assert [link for link in links if not (repo_root / link.partition("#")[0]).exists()] == []


def test_make_targets_exist(readme: str, repo_root: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (repo_root / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)`|^make (\w+)$", readme, re.MULTILINE)) == {
        ("test", ""),
        ("attack", ""),
        ("", "demo"),
    }
    assert {"demo", "test", "attack"} <= targets
